"""What timm's networks compute that have other names than torchvision's, for ForeignClassifierTest:
golden/timm_names.json.

    python3 scripts/golden/timm_names.py models/src/test/resources/golden/timm_names.json

Both sides fill the weights by rule from their names (filling.py), so that the file holds the names and shapes of a state
dict and some of the scores.
"""

import json
import sys

from reproducible import made_with, torch

import timm

from filling import fill, uniform

NETWORKS = [
    "efficientnet_b0",
    "efficientnet_b2",
    "regnety_004",
    "regnety_008_tv",
    "regnety_008",
    "convnext_tiny",
]
CLASSES = 9


def golden(name):
    network = timm.create_model(name, num_classes=CLASSES)
    parameters = sum(p.numel() for p in network.parameters())
    network = network.double().eval()
    with torch.no_grad():
        fill(network)
        scores = network(uniform("input", 2 * 3 * 48 * 33).reshape(2, 3, 48, 33))
    return {
        "parameters": parameters,
        "state": {
            each: list(value.shape)
            for each, value in network.state_dict().items()
            if not each.endswith("num_batches_tracked")
        },
        "scores": [float("%.14g" % value) for value in scores.flatten().tolist()],
    }


def refused():
    return [
        name
        for name in timm.create_model("mobilenetv3_small_100").state_dict()
        if not name.endswith("num_batches_tracked")
    ]


def main(out):
    with open(out, "w") as file:
        file.write('{"made_with": ' + json.dumps(made_with(torch, timm)))
        for name in NETWORKS:
            entry = json.dumps(golden(name), separators=(",", ":"))
            file.write(',\n"%s": %s' % (name, entry))
        file.write(',\n"mobilenetv3": %s}\n' % json.dumps(refused(), separators=(",", ":")))


main(sys.argv[1])
