"""What torchvision's networks compute, for BackboneGoldenTest: golden/torchvision.json.

    python3 scripts/golden/backbones.py models/src/test/resources/golden/torchvision.json

Weights and images are filled by rule (filling.py).
"""

import json
import sys

from reproducible import made_with, torch

import torchvision

import reference
from filling import fill, uniform

NETWORKS = {
    "resnet18": lambda **k: torchvision.models.resnet18(**k),
    "resnet50": lambda **k: torchvision.models.resnet50(**k),
    "resnext50": lambda **k: torchvision.models.resnext50_32x4d(**k),
    "googlenet": lambda **k: torchvision.models.googlenet(
        aux_logits=False, init_weights=False, **k
    ),
    "mobilenetv3-large": lambda **k: torchvision.models.mobilenet_v3_large(**k),
    "mobilenetv3-small": lambda **k: torchvision.models.mobilenet_v3_small(**k),
}
CLASSES = 7
SIZES = [(64, 64), (70, 45)]


class Block(torchvision.models.resnet.BasicBlock):
    """torchvision's block with squeeze-and-excitation at a place of the paper's figure 5."""

    def __init__(self, place):
        super().__init__(
            16,
            32,
            2,
            torch.nn.Sequential(
                torch.nn.Conv2d(16, 32, 1, 2, bias=False), torch.nn.BatchNorm2d(32)
            ),
        )
        self.place = place
        self.se = reference.SELayer(16 if place == "pre" else 32, 4)

    def forward(self, x):
        def at(place, y):
            return self.se(y) if place == self.place else y

        y = self.relu(self.bn1(self.conv1(at("pre", x))))
        y = at("standard", self.bn2(self.conv2(y)))
        return at("post", self.relu(y + at("identity", self.downsample(x))))


def block(place):
    module = Block(place).double()
    with torch.no_grad():
        fill(module)
    x = uniform("input", 2 * 16 * 6 * 5).reshape(2, 16, 6, 5).requires_grad_(True)
    y = module(x)
    cotangent = uniform("cotangent", y.numel()).reshape(y.shape)
    (y * cotangent).sum().backward()
    module.eval()
    return {
        "output_in_training": y.flatten().tolist()[::7],
        "input_gradient": x.grad.flatten().tolist()[::7],
        "conv1_gradient": module.conv1.weight.grad.flatten().tolist()[::97],
        "output_in_evaluation": module(x).flatten().tolist()[::7],
    }


def main(out):
    golden = {"blocks": {place: block(place) for place in ("standard", "pre", "post", "identity")}}
    for name, make in NETWORKS.items():
        parameters = sum(p.numel() for p in make().parameters())
        network = make(num_classes=CLASSES).double()
        with torch.no_grad():
            fill(network)
            network.eval()
            outputs = []
            for height, width in SIZES:
                x = uniform("input", 2 * 3 * height * width).reshape(2, 3, height, width)
                outputs.append(network(x).flatten().tolist())
            network.train()
            x = uniform("input", 2 * 3 * 64 * 64).reshape(2, 3, 64, 64)
            network(x)
            last = [n for n in network.state_dict() if n.endswith("running_var")][-1]
            buffer = network.state_dict()[last]
        golden[name] = {
            "parameters": parameters,
            "names": len(network.state_dict()),
            "outputs": outputs,
            "buffer": last,
            "buffer_after_a_step": buffer[:8].tolist(),
        }
    golden["made_with"] = made_with(torch, torchvision)
    with open(out, "w") as file:
        json.dump(golden, file, indent=1)


main(sys.argv[1])
