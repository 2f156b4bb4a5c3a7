"""How torchvision's published weights expect their images: crop, mean and standard deviation.

    python3 scripts/golden/published.py training/src/test/resources/golden/published.json

Nothing is downloaded: torchvision knows the transforms and the files by the name of the weights.
"""

import json
import pathlib
import sys

import torchvision
from torchvision.models import get_model_weights

NAMES = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "resnet101": "resnet101",
    "resnet152": "resnet152",
    "resnext50": "resnext50_32x4d",
    "googlenet": "googlenet",
    "mobilenetv3-large": "mobilenet_v3_large",
    "mobilenetv3-small": "mobilenet_v3_small",
    "resnext101_32x8d": "resnext101_32x8d",
    "resnext101_64x4d": "resnext101_64x4d",
    "wide_resnet50_2": "wide_resnet50_2",
    "wide_resnet101_2": "wide_resnet101_2",
    "efficientnet_b0": "efficientnet_b0",
    "efficientnet_b1": "efficientnet_b1",
    "efficientnet_b2": "efficientnet_b2",
    "regnet_y_400mf": "regnet_y_400mf",
    "regnet_y_800mf": "regnet_y_800mf",
    "regnet_y_1_6gf": "regnet_y_1_6gf",
    "densenet121": "densenet121",
    "convnext_tiny": "convnext_tiny",
}


def main():
    found = {"made_with": f"torchvision {torchvision.__version__}"}
    for backbone, name in NAMES.items():
        for weights in get_model_weights(name):
            transform = weights.transforms()
            found[f"{backbone} {weights.name.removeprefix('IMAGENET1K_').lower()}"] = {
                "url": weights.url,
                "size": transform.crop_size[0],
                "resize": transform.resize_size[0],
                "interpolation": transform.interpolation.value,
                "mean": list(transform.mean),
                "std": list(transform.std),
            }
    pathlib.Path(sys.argv[1]).write_text(json.dumps(found, indent=1) + "\n")


main()
