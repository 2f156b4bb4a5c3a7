"""What C2D and I3D networks with non-local blocks compute, for VideoGoldenTest: golden/video.json.

    python3 scripts/golden/video.py models/src/test/resources/golden/video.json

A transcription of arXiv 1711.07971 (table 1, sections 3.3 and 4) in plain PyTorch; what the paper
leaves open is as in the authors' networks for 8 frames, but that time is padded by repeating
frames. Weights and clips are filled by rule (filling.py).
"""

import json
import sys

from reproducible import made_with, torch

from torch import nn
from torch.nn import functional as F

from filling import fill, uniform


class Conv(nn.Conv3d):
    def __init__(self, i, o, kernel, stride=(1, 1, 1)):
        super().__init__(i, o, kernel, stride, (0, kernel[1] // 2, kernel[2] // 2), bias=False)

    def forward(self, x):
        t = self.kernel_size[0] // 2
        return super().forward(F.pad(x, (0, 0, 0, 0, t, t), mode="replicate") if t else x)


class NonLocal(nn.Module):
    def __init__(self, channels, mode):
        super().__init__()
        inter = channels if mode == "gaussian" else channels // 2
        self.mode, self.inter = mode, inter
        pool = nn.MaxPool3d((1, 2, 2))
        self.g = nn.Sequential(nn.Conv3d(channels, inter, 1), pool)
        self.W = nn.Sequential(nn.Conv3d(inter, channels, 1), nn.BatchNorm3d(channels))
        if mode != "gaussian":
            self.theta = nn.Conv3d(channels, inter, 1)
            self.phi = nn.Sequential(nn.Conv3d(channels, inter, 1), pool)
        if mode == "concatenation":
            self.concat_project = nn.Sequential(nn.Conv2d(2 * inter, 1, 1, bias=False), nn.ReLU())
        self.pool = pool

    def forward(self, x):
        b, c, t, h, w = x.shape
        g = self.g(x).flatten(2).transpose(1, 2)
        theta = (x if self.mode == "gaussian" else self.theta(x)).flatten(2)
        phi = (self.pool(x) if self.mode == "gaussian" else self.phi(x)).flatten(2)
        n = phi.shape[2]
        if self.mode == "concatenation":
            pairs = torch.cat(
                (
                    theta[:, :, :, None].expand(-1, -1, -1, n),
                    phi[:, :, None].expand(-1, -1, theta.shape[2], -1),
                ),
                1,
            )
            f = self.concat_project(pairs)[:, 0] / n
        else:
            f = theta.transpose(1, 2) @ phi
            f = f / n if self.mode == "dot_product" else f.softmax(2)
        y = (f @ g).transpose(1, 2).reshape(b, self.inter, t, h, w)
        return x + self.W(y)


class Block(nn.Module):
    def __init__(
        self, i, planes, stride, times, bottleneck, option_a, nonlocal_name=None, mode=None
    ):
        super().__init__()
        o = planes * (4 if bottleneck else 1)
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        widths = (planes, planes, o) if bottleneck else (planes, planes)
        at = 1 if bottleneck else 0  # what strides
        self.count = len(kernels)
        last = i
        for n, (k, t, width) in enumerate(zip(kernels, times, widths)):
            s = stride if n == at else 1
            setattr(self, f"conv{n + 1}", Conv(last, width, (t, k, k), (1, s, s)))
            setattr(self, f"bn{n + 1}", nn.BatchNorm3d(width))
            last = width
        self.stride, self.more = stride, o - i
        self.downsample = None
        if not option_a and (stride > 1 or self.more):
            self.downsample = nn.Sequential(
                Conv(i, o, (1, 1, 1), (1, stride, stride)), nn.BatchNorm3d(o)
            )
        self.nonlocal_name = nonlocal_name
        if nonlocal_name:
            setattr(self, nonlocal_name, NonLocal(o, mode))

    def forward(self, x):
        y = x
        for n in range(1, self.count + 1):
            y = getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(y))
            if n < self.count:
                y = F.relu(y)
        if self.downsample is not None:
            x = self.downsample(x)
        else:
            x = x[:, :, :, :: self.stride, :: self.stride]
            if self.more:
                x = F.pad(x, (0, 0, 0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        z = F.relu(x + y)
        return getattr(self, self.nonlocal_name)(z) if self.nonlocal_name else z


class Network(nn.Module):
    def __init__(
        self,
        kind,
        blocks,
        bottleneck=False,
        small=False,
        classes=7,
        channels=3,
        frames=8,
        nonlocals=None,
        mode="embedded_gaussian",
    ):
        """nonlocals: {(stage, block): name}, both from 1"""
        super().__init__()
        inflated = kind != "c2d"
        width, k = (16, 3) if small else (64, 7)
        self.small, self.long = small, frames >= 32 and not small
        s = 1 if small else 2
        self.conv1 = Conv(
            channels, width, (5 if inflated else 1, k, k), (2 if self.long else 1, s, s)
        )
        self.bn1 = nn.BatchNorm3d(width)
        last = width
        for stage, count in enumerate(blocks, 1):
            layer = nn.Sequential()
            planes = width << (stage - 1)
            for b in range(count):
                on = inflated and (stage == 1 or b % 2 == (1 if stage == len(blocks) else 0))
                t = 3 if on else 1
                times = ((t, 1, 1) if kind == "i3d" else (1, t, 1)) if bottleneck else (t, 1)
                layer.add_module(
                    str(b),
                    Block(
                        last,
                        planes,
                        2 if stage > 1 and b == 0 else 1,
                        times,
                        bottleneck,
                        small,
                        (nonlocals or {}).get((stage, b + 1)),
                        mode,
                    ),
                )
                last = planes * (4 if bottleneck else 1)
            setattr(self, f"layer{stage}", layer)
        self.stages = len(blocks)
        self.fc = nn.Linear(last, classes)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        if not self.small:
            y = (
                F.max_pool3d(y, 3, 2, 1)
                if self.long
                else F.max_pool3d(y, (1, 3, 3), (1, 2, 2), (0, 1, 1))
            )
        for stage in range(1, self.stages + 1):
            y = getattr(self, f"layer{stage}")(y)
            if stage == 1:
                y = F.max_pool3d(y, (3, 1, 1), (2, 1, 1), (1, 0, 0))
        return self.fc(y.mean((2, 3, 4)))


FIFTY = dict(blocks=(3, 4, 6, 3), bottleneck=True)
EIGHTEEN = dict(blocks=(2, 2, 2, 2))
SMALL = dict(blocks=(2, 2, 2), small=True, channels=1)
ONE = {(3, 5): "nonlocal_after"}
FIVE = {(s, b): "nonlocal_after" for s, n in ((2, 4), (3, 6)) for b in range(2, n + 1, 2)}
TEN = {(s, b): "nonlocal_post" for s, n in ((2, 4), (3, 6)) for b in range(1, n + 1)}
AFTER = {(2, 2): "nonlocal_after"}
# backbone, attention, frames, side -> how to make it
CASES = [
    ("c2d-resnet14", "none", 5, 16, dict(kind="c2d", **SMALL)),
    (
        "i3d-resnet14",
        "nonlocal:mode=gaussian@after:2.2",
        5,
        16,
        dict(kind="i3d", nonlocals=AFTER, mode="gaussian", **SMALL),
    ),
    (
        "c2d-resnet14",
        "nonlocal:mode=embedded_gaussian@after:2.2",
        6,
        16,
        dict(kind="c2d", nonlocals=AFTER, **SMALL),
    ),
    (
        "c2d-resnet14",
        "nonlocal:mode=dot_product@after:2.2",
        6,
        16,
        dict(kind="c2d", nonlocals=AFTER, mode="dot_product", **SMALL),
    ),
    (
        "i3d-resnet14",
        "nonlocal:mode=concatenation@after:2.2",
        6,
        16,
        dict(kind="i3d", nonlocals=AFTER, mode="concatenation", **SMALL),
    ),
    ("c2d-resnet18", "none", 8, 32, dict(kind="c2d", **EIGHTEEN)),
    (
        "i3d-resnet18",
        "nonlocal@after:every-other:2,3",
        8,
        32,
        dict(
            kind="i3d", nonlocals={(2, 2): "nonlocal_after", (3, 2): "nonlocal_after"}, **EIGHTEEN
        ),
    ),
    (
        "c2d-resnet50",
        "nonlocal@after:3.5",
        32,
        32,
        dict(kind="c2d", nonlocals=ONE, frames=32, **FIFTY),
    ),
    (
        "i3d-resnet50",
        "nonlocal@after:every-other:2,3",
        8,
        32,
        dict(kind="i3d", nonlocals=FIVE, **FIFTY),
    ),
    (
        "i3d-3x3x3-resnet50",
        "nonlocal@post:2,3",
        8,
        32,
        dict(kind="i3d-3x3x3", nonlocals=TEN, **FIFTY),
    ),
]


def main(out):
    golden = []
    for backbone, attention, frames, side, make in CASES:
        network = Network(**make).double()
        with torch.no_grad():
            fill(network)
        channels = make.get("channels", 3)
        shape = (2, channels, frames, side, side)
        x = uniform("clip", 2 * channels * frames * side * side).reshape(shape)
        case = {
            "backbone": backbone,
            "attention": attention,
            "shape": shape,
            "parameters": sum(p.numel() for p in Network(**{**make, "classes": 400}).parameters()),
            "names": len(network.state_dict()),
        }
        network.eval()
        with torch.no_grad():
            case["output"] = network(x).flatten().tolist()
        if make.get("small"):
            network.train()
            x.requires_grad_(True)
            y = network(x)
            (y * uniform("cotangent", y.numel()).reshape(y.shape)).sum().backward()
            case["output_in_training"] = y.flatten().tolist()
            case["clip_gradient"] = x.grad.flatten().tolist()[::61]
            case["conv1_gradient"] = network.conv1.weight.grad.flatten().tolist()[::7]
            case["inner_gradient"] = network.layer1[1].conv1.weight.grad.flatten().tolist()[::97]
        golden.append(case)
    with open(out, "w") as file:
        json.dump({"cases": golden, "made_with": made_with(torch)}, file, indent=1)


main(sys.argv[1])
