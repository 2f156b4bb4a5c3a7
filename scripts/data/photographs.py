"""Makes about 300 small photographs in four classes out of four real ones.

    python3 scripts/data/photographs.py FOLDER

The photographs come with two packages of PyPI: scikit-learn (china.jpg, a temple) and scikit-image
0.25.2 (chelsea.png, a cat; motorcycle_left.png; ihc.png, tissue under a microscope). Each class is one
of them: squares at random places, turned by up to 20 degrees, with another brightness, saturation
and hue, scaled to 96 x 96. A photograph is divided into 5 x 3 blocks. Training images (FOLDER/train,
60 of each class) are cut from eleven of them and test images (FOLDER/val, 20 of each class) from the
other four, so that no pixel is in both. The same versions write the same files.
"""

import pathlib
import sys

import numpy
import skimage
import sklearn
from PIL import Image, ImageEnhance

SIDE = 96
COLUMNS, ROWS = 5, 3
TEST_BLOCKS = (1, 4, 7, 13)
PARTS = {"train": 60, "val": 20}


def sources():
    scikit_learn = pathlib.Path(sklearn.__file__).parent / "datasets" / "images"
    scikit_image = pathlib.Path(skimage.__file__).parent / "data"
    yield "cat", scikit_image / "chelsea.png"
    yield "motorcycle", scikit_image / "motorcycle_left.png"
    yield "temple", scikit_learn / "china.jpg"
    yield "tissue", scikit_image / "ihc.png"


def crop(photograph, random):
    width, height = photograph.size
    side = int(random.integers(64, min(width, height) + 1))
    left = int(random.integers(0, width - side + 1))
    top = int(random.integers(0, height - side + 1))
    square = photograph.crop((left, top, left + side, top + side))
    square = square.rotate(float(random.uniform(-20, 20)), Image.Resampling.BILINEAR)
    margin = side // 8  # cuts off the corners that the rotation left black
    square = square.crop((margin, margin, side - margin, side - margin))
    square = ImageEnhance.Brightness(square).enhance(float(random.uniform(0.4, 1.6)))
    square = ImageEnhance.Color(square).enhance(float(random.uniform(0.0, 1.2)))
    square = square.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    hue = numpy.array(square.convert("HSV"))
    hue[..., 0] += numpy.uint8(random.integers(0, 256))
    return Image.fromarray(hue, "HSV").convert("RGB")


def block(photograph, number):
    width, height = photograph.size[0] // COLUMNS, photograph.size[1] // ROWS
    left, top = number % COLUMNS * width, number // COLUMNS * height
    return photograph.crop((left, top, left + width, top + height))


def main():
    root = pathlib.Path(sys.argv[1])
    for label, (name, file) in enumerate(sources()):
        photograph = Image.open(file).convert("RGB")
        for part, count in PARTS.items():
            blocks = [i for i in range(COLUMNS * ROWS) if (i in TEST_BLOCKS) == (part == "val")]
            folder = root / part / name
            folder.mkdir(parents=True, exist_ok=True)
            random = numpy.random.default_rng([label, count])
            for number in range(count):
                source = block(photograph, blocks[number % len(blocks)])
                crop(source, random).save(folder / f"{number:02}.png")


main()
