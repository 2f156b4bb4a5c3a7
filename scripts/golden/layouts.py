"""The names and shapes that other code has for its networks' weights, for ExportLayoutTest: writes
golden/layouts.json.

Run with Debian's python3-torch and python3-torchvision, timm (0.6.13, unpacked) and a clone of
https://github.com/Jongchan/attention-module:

    python3 models/src/test/scripts/layouts.py TIMM ATTENTION_MODULE models/src/test/resources/golden/layouts.json
"""

import json
import sys

import torchvision

timm_folder, official_folder, out = sys.argv[1:]
sys.path[:0] = [timm_folder, official_folder]

import MODELS.bam  # noqa: E402
import timm  # noqa: E402
from MODELS.model_resnet import ResidualNet  # noqa: E402

MODELS.bam.gate_activation = None  # the authors' code reads it without ever having set it

NETWORKS = {
    "torchvision resnet18 none": torchvision.models.resnet18,
    "torchvision mobilenetv3-small se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8": torchvision.models.mobilenet_v3_small,
    "timm resnet18 se:bias=true,divisor=8": lambda: timm.create_model("seresnet18"),
    "official resnet18 cbam:bias=true": lambda: ResidualNet("ImageNet", 18, 1000, "CBAM"),
    "official resnet18 bam": lambda: ResidualNet("ImageNet", 18, 1000, "BAM"),
}

with open(out, "w") as file:
    golden = {
        name: {key: "x".join(map(str, value.shape)) for key, value in make().state_dict().items()}
        for name, make in NETWORKS.items()
    }
    json.dump(golden, file, separators=(",", ":"), sort_keys=True)
