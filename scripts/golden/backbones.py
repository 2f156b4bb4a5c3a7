"""What torchvision's networks compute, for BackboneGoldenTest: writes golden/torchvision.json.

The weights are not stored: both sides fill them by the same rule from the name of each parameter. Run with
Debian's python3-torch and python3-torchvision:

    python3 models/src/test/scripts/torchvision_golden.py models/src/test/resources/golden/torchvision.json
"""

import json
import sys

import torch
import torchvision

from filling import fill, uniform

NETWORKS = {
    "resnet18": lambda **k: torchvision.models.resnet18(**k),
    "resnet50": lambda **k: torchvision.models.resnet50(**k),
    "resnext50": lambda **k: torchvision.models.resnext50_32x4d(**k),
    "googlenet": lambda **k: torchvision.models.googlenet(aux_logits=False, init_weights=False, **k),
    "mobilenetv3-large": lambda **k: torchvision.models.mobilenet_v3_large(**k),
    "mobilenetv3-small": lambda **k: torchvision.models.mobilenet_v3_small(**k),
}
CLASSES = 7
SIZES = [(64, 64), (70, 45)]


class SqueezeExcitation(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc = torch.nn.Sequential(
            torch.nn.Linear(channels, channels // 4, bias=False),
            torch.nn.ReLU(),
            torch.nn.Linear(channels // 4, channels, bias=False),
            torch.nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class Block(torchvision.models.resnet.BasicBlock):
    """torchvision's block with squeeze-and-excitation at one of the places of the paper's figure 5."""

    def __init__(self, place):
        super().__init__(
            16,
            32,
            2,
            torch.nn.Sequential(torch.nn.Conv2d(16, 32, 1, 2, bias=False), torch.nn.BatchNorm2d(32)),
        )
        self.place = place
        self.se = SqueezeExcitation(16 if place == "pre" else 32)

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
    golden["made_with"] = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    with open(out, "w") as file:
        json.dump(golden, file, indent=1)


main(sys.argv[1])
