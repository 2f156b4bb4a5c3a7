"""What MMSegmentation's and torchvision's segmentation networks compute, for ForeignSegmenterTest:
golden/mmsegmentation.json.

    python3 scripts/golden/mmsegmentation.py models/src/test/resources/golden/mmsegmentation.json

Needs mmsegmentation 1.2.2, mmengine 0.10.7 and mmcv-lite 2.1.0 of PyPI; torchvision's networks alone need
torchvision. Both sides fill the weights by rule from their names (filling.py), so that the file holds the
names and shapes of a state dict and some of the scores.
"""

import json
import sys

from reproducible import made_with, torch

import torch.nn.functional as F
import torchvision
from torch import nn

from absent import absent
from filling import fill, uniform

absent("mmcv._ext")

import mmcv
import mmseg
from mmseg.models import backbones, decode_heads

CLASSES = 5
NORM = {"type": "BN"}
SIDES = (40, 57)


def backbone(kind, depth):
    return getattr(backbones, kind)(
        depth=depth,
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        norm_cfg=NORM,
        contract_dilation=True,
    )


class Network(nn.Module):
    """An encoder-decoder, without its losses and its preprocessing."""

    def __init__(self, kind, depth, head, align=False, **options):
        super().__init__()
        self.align = align
        self.backbone = backbone(kind, depth)
        last = 512 if depth < 50 else 2048
        usual = {"num_classes": CLASSES, "norm_cfg": NORM, "align_corners": align}

        def of(name, width, index, **more):
            make = getattr(decode_heads, name)
            inputs = {"in_channels": width, "in_index": index}
            return make(**{**inputs, **usual, **more})

        small = {"channels": last // 8, "num_convs": 1, "concat_input": False}
        if head == "OCRHead":
            self.decode_head = nn.ModuleList(
                [
                    of("FCNHead", last // 2, 2, **small),
                    of(head, last, 3, channels=last // 4, ocr_channels=last // 8),
                ]
            )
        else:
            of_two = head == "ANNHead"
            self.decode_head = of(
                head,
                [last // 2, last] if of_two else last,
                [2, 3] if of_two else 3,
                **{"channels": last // 4, **options},
            )
            self.auxiliary_head = of("FCNHead", last // 2, 2, **small)

    def forward(self, x):
        features = self.backbone(x)
        if isinstance(self.decode_head, nn.ModuleList):
            first, second = self.decode_head
            scores = second(features, first(features))
        else:
            scores = self.decode_head(features)
        if isinstance(scores, tuple):
            scores = scores[0]
        return F.interpolate(scores, x.shape[2:], mode="bilinear", align_corners=self.align)


NETWORKS = {
    "fcn": lambda: Network("ResNetV1c", 18, "FCNHead"),
    "danet": lambda: Network("ResNetV1c", 18, "DAHead", pam_channels=16),
    "danet_aligned": lambda: Network("ResNetV1c", 18, "DAHead", pam_channels=16, align=True),
    "nonlocal": lambda: Network("ResNetV1c", 18, "NLHead"),
    "gcnet": lambda: Network("ResNetV1c", 18, "GCHead"),
    "ccnet": lambda: Network("ResNetV1c", 18, "CCHead"),
    "pspnet": lambda: Network("ResNetV1c", 18, "PSPHead"),
    "deeplabv3": lambda: Network("ResNetV1c", 18, "ASPPHead", dilations=(1, 12, 24, 36)),
    "ocrnet": lambda: Network("ResNetV1c", 18, "OCRHead"),
    "ann": lambda: Network("ResNetV1c", 18, "ANNHead", project_channels=64),
    "danet_r50": lambda: Network("ResNetV1c", 50, "DAHead", pam_channels=64),
    "nonlocal_r50": lambda: Network("ResNet", 50, "NLHead", concat_input=False),
    "torchvision_fcn": lambda: torchvision.models.segmentation.fcn_resnet50(
        weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True
    ),
    "torchvision_deeplabv3": lambda: torchvision.models.segmentation.deeplabv3_resnet50(
        weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True
    ),
}


def golden(network):
    network = network.double().eval()
    with torch.no_grad():
        fill(network)
        x = uniform("input", 3 * SIDES[0] * SIDES[1]).reshape(1, 3, *SIDES)
        scores = network(x)
    scores = scores["out"] if isinstance(scores, dict) else scores
    return {
        "state": {
            name: list(value.shape)
            for name, value in network.state_dict().items()
            if not name.endswith("num_batches_tracked")
        },
        "scores": [float("%.14g" % value) for value in scores.flatten().tolist()[::211]],
    }


def main(out):
    result = {name: golden(make()) for name, make in NETWORKS.items()}
    made = made_with(torch, torchvision, mmcv, mmseg)
    with open(out, "w") as file:
        file.write('{"made_with": ' + json.dumps(made))
        for name, entry in result.items():  # a line for each network
            file.write(',\n"%s": %s' % (name, json.dumps(entry, separators=(",", ":"))))
        file.write("}\n")


main(sys.argv[1])
