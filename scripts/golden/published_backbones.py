"""What torchvision's and timm's networks compute, for PublishedBackboneTest: golden/backbones.json.

    python3 scripts/golden/published_backbones.py models/src/test/resources/golden/backbones.json

Weights and images are filled by rule (filling.py). The scores of training are there for networks without
dropout, and for the others the statistics of a batch norm before it.
"""

import json
import sys
import zlib

from reproducible import made_with, torch

import timm
import torchvision

from filling import fill, uniform

TORCHVISION = [
    "wide_resnet50_2",
    "wide_resnet101_2",
    "resnext101_32x8d",
    "resnext101_64x4d",
]
TIMM = [
    "resnet18d",
    "resnet34d",
    "resnet50d",
    "resnet101d",
    "resnet152d",
]
# The numbers of the others follow from the same code, so only their names and sizes are compared.
COMPUTED = ["wide_resnet50_2", "resnext101_64x4d", "resnet18d", "resnet50d"]
SHAPE = (2, 3, 48, 33)
STEP = 143  # of 2 x 1000 scores


def names(network):
    """A checksum of names and numbers of values."""
    lines = sorted(f"{name} {value.numel()}" for name, value in network.state_dict().items())
    return zlib.crc32("\n".join(lines).encode())


def entry(name, network):
    golden = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "names": names(network),
    }
    if name not in COMPUTED:
        return golden
    network.double()
    with torch.no_grad():
        fill(network)
        x = uniform("input", 2 * 3 * 48 * 33).reshape(SHAPE)
        network.eval()
        golden["outputs"] = network(x).flatten().tolist()[::STEP]
        network.train()
        golden["outputs_in_training"] = network(x).flatten().tolist()[::STEP]
    return golden


def main(out):
    golden = {}
    for name in TORCHVISION:
        golden[name] = entry(name, torchvision.models.get_model(name))
    for name in TIMM:
        golden[name] = entry(name, timm.create_model(name))
    golden["made_with"] = made_with(torch, torchvision, timm)
    with open(out, "w") as file:
        json.dump(golden, file, indent=1)


main(sys.argv[1])
