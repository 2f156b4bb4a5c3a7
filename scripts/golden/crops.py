"""Photographs as torchvision's transforms of published weights scale and crop them.

    python3 scripts/golden/crops.py data/src/test/resources/golden/crops.json

Each case has the pixels of its image and two results, in base64 and in the order [C, H, W]:
"exact" is computed in float64 and rounded; "preset" is what ImageClassification gives for a PIL
image before it normalises, which rounds its weights and between its two passes.
"""

import base64
import json
import pathlib
import sys

import torch
import torchvision
from torchvision.transforms.functional import pil_to_tensor, to_pil_image
from torchvision.transforms._presets import ImageClassification
from torchvision.transforms.v2 import functional as F

# channels, height, width, resize, size: smaller, larger, both odd and even margins, unchanged
CASES = [
    (3, 31, 47, 13, 11),
    (3, 40, 23, 16, 9),
    (1, 30, 30, 14, 12),
    (3, 9, 12, 16, 14),
    (1, 17, 50, 17, 8),
    (3, 26, 20, 20, 20),
]


def picture(channels, height, width):
    generator = torch.Generator().manual_seed(height * 100 + width)
    coarse = torch.rand(channels, 5, 5, generator=generator)
    image = torch.nn.functional.interpolate(coarse[None], (height, width), mode="bilinear")[0]
    image = 0.8 * image + 0.2 * torch.rand(channels, height, width, generator=generator)
    return (255 * image).to(torch.uint8)


def exact(image, resize, size):
    scaled = F.resize(image.double(), [resize], antialias=True)
    return F.center_crop(scaled, [size, size]).round().clamp(0, 255).to(torch.uint8)


def preset(image, resize, size):
    transform = ImageClassification(
        crop_size=size, resize_size=resize, mean=(0.0,) * 3, std=(1.0,) * 3
    )
    colours = image if image.shape[0] == 3 else image.repeat(3, 1, 1)
    values = transform(to_pil_image(colours))[: image.shape[0]]
    return (255 * values).round().to(torch.uint8)


def encoded(image):
    return base64.b64encode(bytes(image.flatten().tolist())).decode()


def main():
    cases = []
    for channels, height, width, resize, size in CASES:
        image = picture(channels, height, width)
        assert torch.equal(pil_to_tensor(to_pil_image(image)), image)
        cases.append(
            {
                "channels": channels,
                "height": height,
                "width": width,
                "resize": resize,
                "size": size,
                "image": encoded(image),
                "exact": encoded(exact(image, resize, size)),
                "preset": encoded(preset(image, resize, size)),
            }
        )
    found = {"made_with": f"torchvision {torchvision.__version__}", "cases": cases}
    pathlib.Path(sys.argv[1]).write_text(json.dumps(found, indent=0) + "\n")


main()
