"""The names and shapes that other code has for its networks' weights, for ExportLayoutTest:
golden/layouts.json.

    python3 scripts/golden/layouts.py models/src/test/resources/golden/layouts.json --code DIR

DIR/Jongchan/attention-module is a checkout of the authors' CBAM and BAM, see attention.py.
"""

import argparse
import json

import attention
import timm
import torchvision
from golden import Code

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("out", metavar="OUT", help="the file to write")
parser.add_argument("--code", metavar="DIR", required=True, help="where the checkouts are")
options = parser.parse_args()
code = Code(options.code)
code.load(attention.BAM.named("BAM"))  # sets what the authors' file reads and never sets
ResidualNet = code.load(attention.BAM.of("MODELS/model_resnet.py").named("ResidualNet"))

NETWORKS = {
    "torchvision resnet18 none": torchvision.models.resnet18,
    "torchvision mobilenetv3-small"
    " se:reduction=4,bias=true,excitation=hard_sigmoid,divisor=8": (
        torchvision.models.mobilenet_v3_small
    ),
    "timm resnet18 se:bias=true,divisor=8": lambda: timm.create_model("seresnet18"),
    "official resnet18 cbam:bias=true": lambda: ResidualNet("ImageNet", 18, 1000, "CBAM"),
    "official resnet18 bam": lambda: ResidualNet("ImageNet", 18, 1000, "BAM"),
}

with open(options.out, "w") as file:
    golden = {
        name: {key: "x".join(map(str, value.shape)) for key, value in make().state_dict().items()}
        for name, make in NETWORKS.items()
    }
    json.dump(golden, file, separators=(",", ":"), sort_keys=True)
