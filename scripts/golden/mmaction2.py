"""What MMAction2's recognizers compute, for ForeignVideoTest: golden/mmaction.json.

    python3 scripts/golden/mmaction2.py models/src/test/resources/golden/mmaction.json

Needs mmaction2 1.2.0, mmengine 0.10.7, mmcv-lite 2.1.0, einops and importlib-metadata of PyPI. Both sides fill the weights by rule
from their names (filling.py), so that the file holds the names and shapes of a state dict and the scores. Of
networks that Fovea refuses, it holds names of the first stage.
"""

import json
import sys

from reproducible import made_with, torch

from torch import nn

from absent import absent
from filling import fill, uniform

# a part of the second is missing in the package on PyPI, and nothing here uses it
absent("mmcv._ext", "mmaction.models.localizers")

import mmaction
import mmcv
from mmaction.models import backbones
from mmaction.models.common import Conv2plus1d
from mmaction.models.heads import I3DHead, TSMHead, TSNHead

CLASSES = 5
FIVE = ((0, 0, 0), (0, 1, 0, 1), (0, 1, 0, 1, 0, 1), (0, 0, 0))
FIVE_OF_SLOW = ((0, 0, 0), (1, 0, 1, 0), (1, 0, 1, 0, 1, 0), (0, 0, 0))
NARROW = 16  # base channels, a quarter of the published


def i3d(frames=8, **options):
    steps = 2 if frames >= 32 else 1
    return backbones.ResNet3d(
        depth=50,
        pretrained=None,
        base_channels=NARROW,
        conv1_kernel=(5, 7, 7),
        conv1_stride_t=steps,
        pool1_stride_t=steps,
        inflate=((1, 1, 1), (1, 0, 1, 0), (1, 0, 1, 0, 1, 0), (0, 1, 0)),
        zero_init_residual=False,
        **options,
    )


def non_local(mode, use_scale=False, at=FIVE):
    block = {"sub_sample": True, "use_scale": use_scale, "mode": mode, "norm_cfg": {"type": "BN3d"}}
    return {"non_local": at, "non_local_cfg": block}


def slow_only(**options):
    return backbones.ResNet3dSlowOnly(
        depth=50, pretrained=None, lateral=False, base_channels=NARROW, **options
    )


class Recognizer(nn.Module):
    """A recognizer, without its losses and its preprocessing."""

    def __init__(self, backbone, head=I3DHead, channels=None):
        super().__init__()
        self.backbone = backbone
        self.cls_head = head(num_classes=CLASSES, in_channels=channels or backbone.feat_dim)

    def forward(self, clips):
        if not isinstance(self.cls_head, TSNHead):
            return self.cls_head(self.backbone(clips))
        frames = clips.transpose(1, 2).flatten(0, 1)
        return self.cls_head(self.backbone(frames), num_segs=clips.shape[2])


# the frames of a clip, and the network
NETWORKS = {
    "i3d": (8, lambda: Recognizer(i3d())),
    "i3d_embedded": (8, lambda: Recognizer(i3d(**non_local("embedded_gaussian")))),
    "i3d_scaled": (8, lambda: Recognizer(i3d(**non_local("embedded_gaussian", True)))),
    "i3d_dot_product_long": (32, lambda: Recognizer(i3d(32, **non_local("dot_product")))),
    "i3d_gaussian": (8, lambda: Recognizer(i3d(**non_local("gaussian", True)))),
    "slow_only": (
        4,
        lambda: Recognizer(slow_only(**non_local("embedded_gaussian", True, FIVE_OF_SLOW))),
    ),
    "c2d": (8, lambda: Recognizer(backbones.C2D(depth=18, pretrained=None))),
    "tsn": (3, lambda: Recognizer(backbones.ResNet(depth=18, pretrained=None), TSNHead)),
}


def tsm():
    network = backbones.ResNetTSM(depth=18, num_segments=8, pretrained=None)
    return Recognizer(network, TSMHead, 512)


def slow_fast():
    paths = [
        {
            "type": "resnet3d",
            "depth": 50,
            "pretrained": None,
            "lateral": slow,
            "base_channels": 64 if slow else 8,
            "conv1_kernel": (1 if slow else 5, 7, 7),
            "inflate": (0, 0, 1, 1),
        }
        for slow in (True, False)
    ]
    network = backbones.ResNet3dSlowFast(
        pretrained=None, slow_pathway=paths[0], fast_pathway=paths[1]
    )
    return Recognizer(network, channels=2304)


REFUSED = {
    "tsm": tsm,
    "slow_fast": slow_fast,
    "csn": lambda: Recognizer(
        backbones.ResNet3dCSN(depth=50, pretrained=None, bottleneck_mode="ip"), channels=2048
    ),
    "r2plus1d": lambda: Recognizer(
        backbones.ResNet2Plus1d(
            depth=34,
            pretrained=None,
            pretrained2d=False,
            conv_cfg={"type": Conv2plus1d},
            conv1_kernel=(3, 7, 7),
            inflate=(1, 1, 1, 1),
        ),
        channels=512,
    ),
    "x3d": lambda: Recognizer(backbones.X3D(gamma_w=1, gamma_b=2.25, gamma_d=2.2), channels=432),
    "c3d": lambda: Recognizer(backbones.C3D(), channels=4096),
}


def golden(frames, network):
    network = network.double().eval()
    with torch.no_grad():
        fill(network)
        for name, values in network.state_dict().items():
            if "non_local" in name and values.dim() > 1:
                values.mul_(0.1)  # or a softmax has one large value only, and products overflow
        x = uniform("clip", 2 * 3 * frames * 40 * 57).reshape(2, 3, frames, 40, 57)
        scores = network(x)
    return {
        "frames": frames,
        "state": {
            name: list(value.shape)
            for name, value in network.state_dict().items()
            if not name.endswith("num_batches_tracked")
        },
        "scores": [float("%.14g" % value) for value in scores.flatten().tolist()],
    }


def names(network):
    return [
        name
        for name in network.state_dict()
        if "layer2" not in name
        and "layer3" not in name
        and "layer4" not in name
        and not name.endswith("num_batches_tracked")
    ]


def main(out):
    result = {name: golden(frames, make()) for name, (frames, make) in NETWORKS.items()}
    result |= {name: {"names": names(make())} for name, make in REFUSED.items()}
    made = made_with(torch, mmaction, mmcv)
    with open(out, "w") as file:
        file.write('{"made_with": ' + json.dumps(made))
        for name, entry in result.items():  # a line for each network
            file.write(',\n"%s": %s' % (name, json.dumps(entry, separators=(",", ":"))))
        file.write("}\n")


main(sys.argv[1])
