"""Images as the preprocessing of an exported network scales and crops them, before it rounds.

    python3 scripts/golden/raw_image.py models/src/test/resources/golden/raw_image.json

The largest centred square is scaled by OpenCV, with INTER_AREA to a smaller and INTER_LINEAR to a
larger size. Where a shorter side is given, torchvision's resize (linear, with antialiasing) and
center_crop do it. Both compute in float64.
"""

import base64
import json
import pathlib
import sys

import cv2
import numpy as np
from crops import picture
from torchvision.transforms.v2 import functional as F

# channels, height, width, resize (0: the largest square), size
CASES = [
    (3, 31, 47, 0, 11),
    (3, 48, 32, 0, 8),
    (1, 40, 23, 0, 23),
    (3, 9, 12, 0, 16),
    (1, 5, 4, 0, 13),
    (3, 31, 47, 13, 11),
    (3, 40, 23, 16, 9),
    (1, 17, 50, 17, 8),
    (3, 9, 12, 16, 14),
]


def square(image, size):
    _, height, width = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    part = image[:, top : top + side, left : left + side].double().numpy()
    way = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.stack([cv2.resize(plane, (size, size), interpolation=way) for plane in part])


def cropped(image, resize, size):
    scaled = F.resize(image.double(), [resize], antialias=True)
    return F.center_crop(scaled, [size, size]).numpy()


def main():
    cases = []
    for channels, height, width, resize, size in CASES:
        image = picture(channels, height, width)
        result = cropped(image, resize, size) if resize else square(image, size)
        decoded = image.permute(1, 2, 0).flatten().tolist()  # [H, W, C]
        cases.append(
            {
                "height": height,
                "width": width,
                "channels": channels,
                "resize": resize or size,
                "size": size,
                "image": base64.b64encode(bytes(decoded)).decode(),
                "pixels": [round(value, 4) for value in result.flatten().tolist()],
            }
        )
    pathlib.Path(sys.argv[1]).write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")


if __name__ == "__main__":
    main()
