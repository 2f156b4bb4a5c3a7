"""What Grad-CAM and Grad-CAM++ are on torchvision's networks, for GradCamTest: golden/gradcam.json.

    python3 scripts/golden/gradcam.py explain/src/test/resources/golden/gradcam.json

The formulas are those of the public pytorch-grad-cam: its weights of the channels, then the
positive part of the weighted sum, then "scaled" from 0 to 1 with its small number against division
by zero. Weights and images are filled by rule (filling.py).
"""

import json
import sys

from reproducible import torch

import torchvision

import danet
from filling import fill, uniform

CLASSES = 7
SIDES = (64, 96)
NETWORKS = {
    "resnet18": (
        lambda: torchvision.models.resnet18(num_classes=CLASSES),
        ["layer1", "layer2", "layer3", "layer4"],
    ),
    "googlenet": (
        lambda: torchvision.models.googlenet(
            aux_logits=False, init_weights=False, num_classes=CLASSES
        ),
        ["inception4a", "inception5b"],
    ),
    "mobilenetv3-small": (
        lambda: torchvision.models.mobilenet_v3_small(num_classes=CLASSES),
        ["features.4", "features.12"],
    ),
}


def grad_cam_weights(activations, gradients):
    return gradients.mean((2, 3))


def grad_cam_plus_plus_weights(activations, gradients):
    squares = gradients**2
    cubes = squares * gradients
    alpha = squares / (2 * squares + activations.sum((2, 3), keepdim=True) * cubes + 0.000001)
    alpha = torch.where(gradients != 0, alpha, torch.zeros_like(alpha))
    return (gradients.clamp(min=0) * alpha).sum((2, 3))


def positive(weights, activations):
    return (weights[:, :, None, None] * activations).sum(1).clamp(min=0)[0]


def scaled(cam):
    cam = cam - cam.min()
    return cam / (1e-7 + cam.max())


def at(network, name):
    module = network
    for part in name.split("."):
        module = module[int(part)] if part.isdigit() else getattr(module, part)
    return module


def golden(make, layers):
    network = make().double().eval()
    with torch.no_grad():
        fill(network)
    kept = {}
    for name in layers:

        def keep(module, inputs, output, name=name):
            output.retain_grad()
            kept[name] = output

        at(network, name).register_forward_hook(keep)
    x = uniform("input", 3 * SIDES[0] * SIDES[1]).reshape(1, 3, *SIDES)
    scores = network(x)
    label = int(scores[0].argsort()[-2])  # need not be the best
    scores[0, label].backward()
    result = {"label": label, "layers": {}}
    for name in layers:
        activations, gradients = kept[name].detach(), kept[name].grad
        cams = {}
        for method, weights in (
            ("grad_cam", grad_cam_weights),
            ("plus_plus", grad_cam_plus_plus_weights),
        ):
            cam = positive(weights(activations, gradients), activations)
            cams[method] = [float("%.12g" % v) for v in cam.flatten().tolist()]
            cams[method + "_scaled"] = [float("%.12g" % v) for v in scaled(cam).flatten().tolist()]
        result["layers"][name] = {"size": list(activations.shape[2:]), **cams}
    return result


def seg_grad_cam():
    """Seg-Grad-CAM (Vinogradova and others, 2020, equation 2) of DANet for a rectangle of pixels."""
    network = danet.Network(*danet.resnet18(False)).double().eval()
    with torch.no_grad():
        fill(network)
    kept = {}
    for name in ("layer3", "layer4"):

        def keep(module, inputs, output, name=name):
            output.retain_grad()
            kept[name] = output

        getattr(network.pretrained, name).register_forward_hook(keep)
    x = uniform("input", 3 * 40 * 57).reshape(1, 3, 40, 57)
    label, (left, top, width, height) = 2, (10, 5, 30, 20)
    network(x)[0][0, label, top : top + height, left : left + width].sum().backward()
    layers = {}
    for name, activations in kept.items():
        cam = positive(grad_cam_weights(activations, activations.grad), activations.detach())
        layers[name] = {
            "size": list(activations.shape[2:]),
            "grad_cam": [float("%.12g" % v) for v in cam.flatten().tolist()],
        }
    return {"label": label, "region": [left, top, width, height], "layers": layers}


with open(sys.argv[1], "w") as out:
    cams = {name: golden(*network) for name, network in NETWORKS.items()}
    json.dump({**cams, "danet": seg_grad_cam()}, out, indent=1)
    out.write("\n")
