"""Operations on 8-bit images as torchvision's transforms v2 compute them.

    python3 scripts/golden/augmentation.py data/src/test/resources/golden/augmentation.json

Pixels are written in base64, in the order [C, H, W].
"""

import base64
import json
import math
import pathlib
import sys

import torch
import torchvision
from torchvision.transforms import v2
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

HEIGHT, WIDTH = 11, 13


def picture(channels, seed):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (channels, HEIGHT, WIDTH), generator=generator, dtype=torch.uint8)
    image[:, :4, :5] //= 3  # not all values are equally frequent
    image[:, 7:, :] = image[:, 7:, :] // 2 + 100
    return image


def encoded(image):
    return base64.b64encode(bytes(image.flatten().tolist())).decode()


def shear(image, x, y, mode):
    degrees = [math.degrees(math.atan(x)), math.degrees(math.atan(y))]
    return F.affine(
        image, angle=0.0, translate=[0, 0], scale=1.0, shear=degrees, interpolation=mode,
        fill=None, center=[0, 0],
    )


def crop(image, box, size, mode):
    """In float64 and rounded: the kernel for bytes rounds its weights and between its passes."""
    exact = F.resized_crop(image.double(), *box, [size, size], interpolation=mode, antialias=True)
    return exact.round().clamp(0, 255).to(torch.uint8)


def operations(image):
    modes = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR}
    yield "horizontalFlip", [], F.horizontal_flip(image)
    yield "verticalFlip", [], F.vertical_flip(image)
    for name, mode in modes.items():
        for angle in (0.0, 17.0, -135.0):
            yield f"rotate {name}", [angle], F.rotate(image, angle, interpolation=mode)
        for right, down in ((3, 0), (0, -4)):
            moved = F.affine(
                image, angle=0.0, translate=[right, down], scale=1.0, shear=[0.0, 0.0],
                interpolation=mode,
            )
            yield f"translate {name}", [right, down], moved
        for x, y in ((0.31, 0.0), (0.0, -0.87)):
            yield f"shear {name}", [x, y], shear(image, x, y, mode)
        for top, left, height, width, size in ((1, 2, 9, 8, 5), (3, 4, 4, 5, 12), (0, 0, 11, 11, 11)):
            box = (top, left, height, width)
            yield f"resizedCrop {name}", [*box, size], crop(image, box, size, mode)
    for factor in (0.0, 0.4, 1.0, 1.9):
        yield "brightness", [factor], F.adjust_brightness(image, factor)
        yield "contrast", [factor], F.adjust_contrast(image, factor)
        yield "saturation", [factor], F.adjust_saturation(image, factor)
        yield "sharpness", [factor], F.adjust_sharpness(image, factor)
    for shift in (-0.5, -0.1, 0.0, 0.23):
        yield "hue", [shift], F.adjust_hue(image, shift)
    for bits in (1, 4, 8):
        yield "posterize", [bits], F.posterize(image, bits)
    for threshold in (0.0, 100.5, 255.0):
        yield "solarize", [threshold], F.solarize(image, threshold)
    yield "invert", [], F.invert(image)
    yield "autocontrast", [], F.autocontrast(image)
    yield "equalize", [], F.equalize(image)
    fill = torch.tensor([7, 8, 9], dtype=torch.uint8)[: image.shape[0]].view(-1, 1, 1)
    yield "erase", [2, 3, 4, 5], F.erase(image, 2, 3, 4, 5, fill)


def large():
    """Equalisation needs more pixels than values."""
    generator = torch.Generator().manual_seed(3)
    image = (torch.rand(1, 40, 40, generator=generator) ** 2 * 256).to(torch.uint8)
    return image, F.equalize(image)


def mixed():
    generator = torch.Generator().manual_seed(4)
    a, b = torch.rand(2, 1, 6, 8, generator=generator, dtype=torch.float64)
    mixup = v2.MixUp(num_classes=2)
    cutmix = v2.CutMix(num_classes=2)
    batch = torch.stack([a, b])
    cases = []
    for share in (0.3, 0.8):
        params = {"lam": share, "labels": torch.tensor([0, 1]), "batch_size": 2}
        out = mixup.transform(batch, params)[0]
        cases.append({"name": "mixup", "share": share, "pixels": out.flatten().tolist()})
    for box in ((1, 2, 5, 4), (0, 0, 8, 6)):  # left, top, right, bottom
        share = 1.0 - (box[2] - box[0]) * (box[3] - box[1]) / (6 * 8)
        params = {"box": box, "lam_adjusted": share, "labels": None, "batch_size": 2}
        out = cutmix.transform(batch, params)[0]
        cases.append(
            {"name": "cutmix", "box": list(box), "share": share, "pixels": out.flatten().tolist()}
        )
    return {"a": a.flatten().tolist(), "b": b.flatten().tolist(), "cases": cases}


def main():
    found = {"made_with": f"torchvision {torchvision.__version__}", "height": HEIGHT, "width": WIDTH}
    for channels in (1, 3):
        image = picture(channels, channels)
        found[f"image {channels}"] = encoded(image)
        found[f"operations {channels}"] = [
            {"name": name, "parameters": parameters, "size": out.shape[-1], "pixels": encoded(out)}
            for name, parameters, out in operations(image)
        ]
    image, out = large()
    found["large"] = {"image": encoded(image), "pixels": encoded(out)}
    found["mixed"] = mixed()
    pathlib.Path(sys.argv[1]).write_text(json.dumps(found, indent=0) + "\n")


main()
