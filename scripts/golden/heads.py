"""What the heads of segmentation networks compute, for SegmentationHeadsTest: golden/heads.json.

    python3 scripts/golden/heads.py models/src/test/resources/golden/heads.json [--code DIR]

Each is written from the authors' code, with its names, for 32 channels instead of 2048 and all
widths in proportion. Weights and features are filled by rule (filling.py); batch norms use their
running statistics. With --code, which says where the authors' code has been checked out (README.md),
the authors' own modules compute the same from the same weights; a difference of more than 1e-10 is
an error. torchvision's head is used as it is.
"""

import argparse
import json
import sys
import types

from reproducible import made_with, torch

import torch.nn.functional as F
import torchvision
from torch import nn

from filling import fill, uniform
from golden import TOLERANCE, Code, Source

EARLIER, LAST, CLASSES, SIDES = 16, 32, 5, (40, 15)  # the largest dilation is 36


def norm_relu(channels):
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())


def auxiliary(channels):
    return torchvision.models.segmentation.fcn.FCNHead(channels, CLASSES)


class Psp(nn.Module):
    def __init__(self):
        super().__init__()
        self.ppm = nn.Module()
        self.ppm.features = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(b),
                nn.Conv2d(LAST, LAST // 4, 1, bias=False),
                nn.BatchNorm2d(LAST // 4),
                nn.ReLU(),
            )
            for b in (1, 2, 3, 6)
        )
        self.cls = nn.Sequential(
            nn.Conv2d(2 * LAST, LAST // 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(LAST // 4),
            nn.ReLU(),
            nn.Dropout2d(0.1),
            nn.Conv2d(LAST // 4, CLASSES, 1),
        )
        self.aux = auxiliary(EARLIER)

    def forward(self, earlier, last):
        maps = [last]
        for means in self.ppm.features:
            maps.append(
                F.interpolate(means(last), last.shape[2:], mode="bilinear", align_corners=True)
            )
        return self.cls(torch.cat(maps, 1)), self.aux(earlier)


class Aspp(torchvision.models.segmentation.deeplabv3.DeepLabHead):
    def __init__(self):
        super().__init__(LAST, CLASSES)
        inter = LAST // 8
        self[0] = torchvision.models.segmentation.deeplabv3.ASPP(LAST, (12, 24, 36), inter)
        self[1] = nn.Conv2d(inter, inter, 3, padding=1, bias=False)
        self[2] = nn.BatchNorm2d(inter)
        self[4] = nn.Conv2d(inter, CLASSES, 1)

    def forward(self, earlier, last):
        x = last
        for name in "01234":
            x = self._modules[name](x)
        return x, self.aux(earlier)


def aspp():
    head = Aspp()
    head.aux = auxiliary(EARLIER)
    return head


def once(i, o):
    return [nn.Conv2d(i, o, 1, bias=False), norm_relu(o)]


class Ocr(nn.Module):
    def __init__(self):
        super().__init__()
        middle, self.keys = LAST // 4, LAST // 8
        self.conv3x3_ocr = nn.Sequential(
            nn.Conv2d(LAST, middle, 3, padding=1), nn.BatchNorm2d(middle), nn.ReLU()
        )
        self.ocr_distri_head = nn.Module()
        block = self.ocr_distri_head.object_context_block = nn.Module()
        block.f_pixel = nn.Sequential(*once(middle, self.keys), *once(self.keys, self.keys))
        block.f_object = nn.Sequential(*once(middle, self.keys), *once(self.keys, self.keys))
        block.f_down = nn.Sequential(*once(middle, self.keys))
        block.f_up = nn.Sequential(*once(self.keys, middle))
        self.ocr_distri_head.conv_bn_dropout = nn.Sequential(
            *once(2 * middle, middle), nn.Dropout2d(0.05)
        )
        self.cls_head = nn.Conv2d(middle, CLASSES, 1)
        self.aux_head = nn.Sequential(
            nn.Conv2d(LAST, LAST, 1), nn.BatchNorm2d(LAST), nn.ReLU(), nn.Conv2d(LAST, CLASSES, 1)
        )

    def forward(self, earlier, last):
        first = self.aux_head(last)
        x = self.conv3x3_ocr(last)
        share = first.flatten(2).softmax(2)
        objects = (share @ x.flatten(2).transpose(1, 2)).transpose(1, 2).unsqueeze(3)
        block = self.ocr_distri_head.object_context_block
        query = block.f_pixel(x).flatten(2).transpose(1, 2)
        key = block.f_object(objects).flatten(2)
        value = block.f_down(objects).flatten(2).transpose(1, 2)
        attention = (query @ key * self.keys**-0.5).softmax(-1)
        context = (attention @ value).transpose(1, 2).reshape(len(x), -1, *x.shape[2:])
        joined = torch.cat([block.f_up(context), x], 1)
        return self.cls_head(self.ocr_distri_head.conv_bn_dropout(joined)), first


def parts(x):
    return torch.cat([F.adaptive_avg_pool2d(x, s).flatten(2) for s in (1, 3, 6, 8)], 2)


class AnnBlock(nn.Module):
    def __init__(self, low, high, keys, out, shares):
        super().__init__()
        self.f_key = nn.Sequential(nn.Conv2d(low, keys, 1), norm_relu(keys))
        self.shares = shares
        if not shares:
            self.f_query = nn.Sequential(nn.Conv2d(high, keys, 1), norm_relu(keys))
        self.f_value = nn.Conv2d(low, keys, 1)
        self.W = nn.Conv2d(keys, out, 1)

    def forward(self, low, high):
        query = (self.f_key if self.shares else self.f_query)(high).flatten(2).transpose(1, 2)
        key, value = parts(self.f_key(low)), parts(self.f_value(low))
        attention = (query @ key * key.shape[1] ** -0.5).softmax(-1)
        context = (attention @ value.transpose(1, 2)).transpose(1, 2)
        return self.W(context.reshape(len(high), -1, *high.shape[2:]))


class AnnStage(nn.Module):
    def __init__(self, block, channels, out, behind):
        super().__init__()
        self.stages = nn.ModuleList([block])
        self.conv_bn_dropout = nn.Sequential(
            nn.Conv2d(channels, out, 1), behind, nn.Dropout2d(0.05)
        )

    def forward(self, low, high):
        return self.conv_bn_dropout(torch.cat([self.stages[0](low, high), high], 1))


class Ann(nn.Module):
    def __init__(self):
        super().__init__()
        inter, keys = LAST // 4, LAST // 8
        self.fusion = AnnStage(
            AnnBlock(EARLIER, LAST, keys, LAST, False), 2 * LAST, LAST, nn.BatchNorm2d(LAST)
        )
        self.context = nn.Sequential(
            nn.Conv2d(LAST, inter, 3, padding=1),
            norm_relu(inter),
            AnnStage(AnnBlock(inter, inter, keys, inter, True), 2 * inter, inter, norm_relu(inter)),
        )
        self.cls = nn.Conv2d(inter, CLASSES, 1)
        self.dsn = nn.Sequential(
            nn.Conv2d(EARLIER, inter, 3, padding=1),
            norm_relu(inter),
            nn.Dropout2d(0.05),
            nn.Conv2d(inter, CLASSES, 1),
        )

    def forward(self, earlier, last):
        x = self.context[1](self.context[0](self.fusion(earlier, last)))
        return self.cls(self.context[2](x, x)), self.dsn(earlier)


HEADS = {"psp": Psp, "aspp": aspp, "ocr": Ocr, "ann": Ann}


# The authors' modules, in place of those above.

SEMSEG = Source(
    "hszhao/semseg", "4f274c3f276778228bc14a4565822d46359f0cc8", "model/pspnet.py", alone=("PPM",)
)
HRNET = Source(
    "HRNet/HRNet-Semantic-Segmentation",
    "0bbb2880446ddff2d78f8dd7e8c4c610151d5a51",
    "lib/models/seg_hrnet_ocr.py",
    defines={"BatchNorm2d": nn.BatchNorm2d, "ALIGN_CORNERS": True},
    alone=(
        "ModuleHelper",
        "SpatialGather_Module",
        "_ObjectAttentionBlock",
        "ObjectAttentionBlock2D",
        "SpatialOCR_Module",
    ),
)
ANN_PARTS = ("PSPModule", "_SelfAttentionBlock", "SelfAttentionBlock2D")
ANN = Source(
    "MendelXu/ANN",
    "f4eabeb27dbba5c9bdcf83d03776bffa34995666",
    "",
    defines={
        "ModuleHelper": types.SimpleNamespace(
            BNReLU=lambda channels, norm_type: norm_relu(channels),
            BatchNorm2d=lambda norm_type: nn.BatchNorm2d,
        )
    },
)


def psp_of_authors(code):
    class Same(Psp):
        def forward(self, earlier, last):
            return self.cls(self.ppm(last)), self.aux(earlier)

    head = Same()
    head.ppm = code.load(SEMSEG.named("PPM"))(LAST, LAST // 4, (1, 2, 3, 6))
    return head


def ocr_of_authors(code):
    class Same(Ocr):
        def forward(self, earlier, last):
            first = self.aux_head(last)
            x = self.conv3x3_ocr(last)
            return self.cls_head(self.ocr_distri_head(x, gather(x, first))), first

    head, middle = Same(), LAST // 4
    gather = code.load(HRNET.named("SpatialGather_Module"))(CLASSES)
    head.ocr_distri_head = code.load(HRNET.named("SpatialOCR_Module"))(
        in_channels=middle, key_channels=LAST // 8, out_channels=middle, scale=1, dropout=0.05
    )
    return head


def ann_of_authors(code):
    class Same(Ann):
        def forward(self, earlier, last):
            return self.cls(self.context(self.fusion(earlier, last))), self.dsn(earlier)

    head, inter, keys = Same(), LAST // 4, LAST // 8

    def load(name):
        file = f"models/seg/utils/{name.lower()}.py"
        return code.load(ANN.of(file).only(*ANN_PARTS, name).named(name))

    head.fusion = load("AFNB")(EARLIER, LAST, LAST, keys, keys, 0.05, [1])
    head.context[2] = load("APNB")(inter, inter, keys, keys, 0.05, [1])
    return head


AUTHORS = {"psp": psp_of_authors, "ocr": ocr_of_authors, "ann": ann_of_authors}


def run(head):
    """Scores and gradients of a head whose weights are filled by their names."""
    earlier = uniform("earlier", 2 * EARLIER * 600).reshape(2, EARLIER, *SIDES).requires_grad_()
    last = uniform("last", 2 * LAST * 600).reshape(2, LAST, *SIDES).requires_grad_()
    scores = head(earlier, last)
    weights = [uniform(f"weights{i}", s.numel()).reshape(s.shape) for i, s in enumerate(scores)]
    sum((s * w).sum() for s, w in zip(scores, weights)).backward()
    gradients = {name: p.grad for name, p in head.named_parameters()}
    return scores, earlier.grad, last.grad, gradients


def compare(name, ours, found, head):
    """The same weights in the authors' modules."""
    state = ours.state_dict()
    for key in head.state_dict():  # ANN's queries and keys are one layer with two names
        state.setdefault(key, state.get(key.replace("f_query", "f_key")))
    head.double().load_state_dict(state)
    theirs = run(head.eval())
    pairs = [*zip(found[0], theirs[0]), (found[2], theirs[2])]
    pairs += [(found[3][key], gradient) for key, gradient in theirs[3].items()]
    largest = max(
        ((a - b).abs().max() / b.abs().max().clamp(min=1e-300)).item() for a, b in pairs
    )
    print(f"{name}: the authors' code differs by at most {largest:.1e}")
    if not largest < TOLERANCE:
        sys.exit(f"{name}: that is not the same equation")


def numbers(tensor, step):
    return [float("%.14g" % value) for value in tensor.detach().flatten().tolist()[::step]]


def few(tensor):
    """About 16 of the numbers."""
    return numbers(tensor, tensor.numel() // 16 | 1)


def golden(name, make, code):
    head = make().double().eval()
    with torch.no_grad():
        fill(head)
    found = run(head)
    if code.folder is not None and name in AUTHORS:
        compare(name, head, found, AUTHORS[name](code))
    scores, earlier, last, gradients = found
    return {
        "scores": [numbers(s, 53) for s in scores],
        "earlier": None if earlier is None else numbers(earlier, 211),
        "last": numbers(last, 211),
        "parameters": {name: few(gradient) for name, gradient in gradients.items()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", help="the file to write")
    parser.add_argument("--code", metavar="DIR", help="where the checkouts are")
    arguments = parser.parse_args()
    code = Code(arguments.code)
    result = {name: golden(name, make, code) for name, make in HEADS.items()}
    with open(arguments.out, "w") as out:
        json.dump({"made_with": made_with(torch, torchvision), **result}, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
