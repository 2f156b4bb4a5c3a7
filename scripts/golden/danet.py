"""What DANet computes with torchvision's dilated networks, for SegmenterTest: golden/danet.json.

    python3 scripts/golden/danet.py models/src/test/resources/golden/danet.json

Weights and images are filled by rule (filling.py).
"""

import json
import sys

from reproducible import made_with, torch

import torch.nn.functional as F
import torchvision
from torch import nn

import reference
from filling import fill, uniform

CLASSES = 4


def convolution(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


def classifier(i):
    return nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(i, CLASSES, 1))


class Head(nn.Module):
    def __init__(self, i):
        super().__init__()
        c = i // 4
        self.conv5a = convolution(i, c)
        self.sa = reference.PAM_Module(c)
        self.conv51 = convolution(c, c)
        self.conv6 = classifier(c)
        self.conv5c = convolution(i, c)
        self.sc = reference.CAM_Module(c)
        self.conv52 = convolution(c, c)
        self.conv7 = classifier(c)
        self.conv8 = classifier(c)

    def forward(self, x):
        a = self.conv51(self.sa(self.conv5a(x)))
        c = self.conv52(self.sc(self.conv5c(x)))
        return self.conv8(a + c), self.conv6(a), self.conv7(c)


class Network(nn.Module):
    def __init__(self, pretrained, channels):
        super().__init__()
        del pretrained.fc
        self.pretrained = pretrained
        self.head = Head(channels)

    def forward(self, x):
        p = self.pretrained
        y = p.maxpool(p.relu(p.bn1(p.conv1(x))))
        y = p.layer4(p.layer3(p.layer2(p.layer1(y))))
        return [
            F.interpolate(s, x.shape[2:], mode="bilinear", align_corners=True) for s in self.head(y)
        ]


def dilate(conv, dilation):
    conv.dilation = conv.padding = (dilation, dilation)


def resnet50(multi_grid):
    network = torchvision.models.resnet50(replace_stride_with_dilation=[False, True, True])
    if multi_grid:
        for block, dilation in zip(network.layer4, (4, 8, 16)):
            dilate(block.conv2, dilation)
    return network, 2048


def resnet18(multi_grid):
    network = torchvision.models.resnet18()
    for layer, dilation in ((network.layer3, 2), (network.layer4, 4)):
        layer[0].conv1.stride = layer[0].downsample[0].stride = (1, 1)
        for i, block in enumerate(layer):
            dilate(block.conv1, dilation // 2 if i == 0 else dilation)
            dilate(block.conv2, dilation)
    return network, 512


def main(out):
    golden = {"made_with": made_with(torch, torchvision)}
    for name, make, multi_grid in (
        ("resnet18", resnet18, False),
        ("resnet50", resnet50, False),
        ("resnet50_grid", resnet50, True),
    ):
        network = Network(*make(multi_grid)).double().eval()
        with torch.no_grad():
            fill(network)
            x = uniform("input", 3 * 40 * 57).reshape(1, 3, 40, 57)
            outputs = [y.flatten().tolist()[::211] for y in network(x)]
        golden[name] = {
            "parameters": sum(p.numel() for p in network.parameters()),
            "names": len(network.state_dict()),
            "outputs": outputs,
        }
    with open(out, "w") as file:
        json.dump(golden, file, indent=1)


if __name__ == "__main__":
    main(sys.argv[1])
