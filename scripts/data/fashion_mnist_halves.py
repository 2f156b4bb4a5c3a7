"""Divides the bundled sample of Fashion-MNIST by classes, to train on one half and fine-tune on the
other.

    python3 scripts/data/fashion_mnist_halves.py FOLDER

FOLDER/first has five classes with 600 training and 200 test images each; FOLDER/second has the other
five with 20 training and 200 test images each.
"""

import gzip
import pathlib
import struct
import sys

from PIL import Image

SAMPLE = (
    pathlib.Path(__file__).resolve().parents[2]
    / "data/src/main/resources/io/fovea/data/bundled/fashion-mnist-sample"
)
NAMES = (
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip
HALF = 5
FEW = 20


def main():
    root = pathlib.Path(sys.argv[1])
    for part, prefix in (("train", "train"), ("val", "t10k")):
        images = gzip.decompress((SAMPLE / f"{prefix}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((SAMPLE / f"{prefix}-labels-idx1-ubyte.gz").read_bytes())[8:]
        _, _, height, width = struct.unpack_from(">4I", images)
        area = height * width
        seen = [0] * len(NAMES)
        for index, label in enumerate(labels):
            seen[label] += 1
            second = label >= HALF
            if second and part == "train" and seen[label] > FEW:
                continue
            folder = root / ("second" if second else "first") / part / NAMES[label]
            folder.mkdir(parents=True, exist_ok=True)
            pixels = images[16 + index * area : 16 + (index + 1) * area]
            Image.frombytes("L", (width, height), pixels).save(folder / f"{seen[label]:03}.png")


main()
