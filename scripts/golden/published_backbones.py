"""What torchvision's and timm's networks compute, for PublishedBackboneTest: golden/backbones.json.

    python3 scripts/golden/published_backbones.py models/src/test/resources/golden/backbones.json

Weights and images are filled by rule (filling.py). The scores of training are there for networks without
dropout, and for the others the statistics of a batch norm before it.
"""

import functools
import json
import sys
import zlib

from reproducible import made_with, torch

import timm
import torchvision

from filling import fill, uniform

TORCHVISION = [
    "wide_resnet50_2",
    "resnext101_64x4d",
    "efficientnet_b0",
    "efficientnet_b2",
    "regnet_y_400mf",
    "regnet_y_800mf",
    "regnet_y_1_6gf",
    "densenet121",
    "convnext_tiny",
]
TIMM = [
    "resnet18d",
    "resnet50d",
    "resnet50s",
    "seresnext50_32x4d",
    "ecaresnet50t",
    "skresnet50",
    "resnest50d",
    "convnextv2_tiny",
]
STATISTICS = {  # in networks with stochastic depth: of a batch norm before it
    "efficientnet_b0": "features.1.0.block.0.1.running_var",
    "efficientnet_b2": "features.1.0.block.0.1.running_var",
}
WITHOUT_STATISTICS = ["convnext_tiny", "convnextv2_tiny"]
SHAPE = (2, 3, 48, 33)
STEP = 143  # of 2 x 1000 scores


def names(network):
    """A checksum of names and numbers of values."""
    lines = sorted(f"{name} {value.numel()}" for name, value in network.state_dict().items())
    return zlib.crc32("\n".join(lines).encode())


def gcresnet50():
    """timm's ResNet-50 with the global context blocks of GCNet's authors in the last three stages."""
    block = functools.partial(
        timm.layers.GlobalContext, fuse_add=True, fuse_scale=False, rd_ratio=1 / 16
    )
    network = timm.create_model("resnet50", block_args={"attn_layer": block})
    for part in network.layer1:
        part.se = None
    for module in network.modules():
        if isinstance(module, timm.layers.LayerNorm2d):
            module.eps = 1e-5  # the authors': PyTorch's default
    return network


def entry(name, network):
    golden = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "names": names(network),
    }
    network.double()
    with torch.no_grad():
        fill(network)
        x = uniform("input", 2 * 3 * 48 * 33).reshape(SHAPE)
        network.eval()
        golden["outputs"] = network(x).flatten().tolist()[::STEP]
        if name in WITHOUT_STATISTICS:
            return golden
        network.train()
        scores = network(x).flatten().tolist()
        if name in STATISTICS:
            golden["buffer"] = STATISTICS[name]
            golden["buffer_after_a_step"] = network.state_dict()[STATISTICS[name]][:8].tolist()
        else:
            golden["outputs_in_training"] = scores[::STEP]
    return golden


def main(out):
    golden = {}
    for name in TORCHVISION:
        golden[name] = entry(name, torchvision.models.get_model(name))
    for name in TIMM:
        golden[name] = entry(name, timm.create_model(name))
    golden["gcresnet50"] = entry("gcresnet50", gcresnet50())
    golden["made_with"] = made_with(torch, torchvision, timm)
    with open(out, "w") as file:
        json.dump(golden, file, indent=1)


main(sys.argv[1])
