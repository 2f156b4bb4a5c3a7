"""Run lengths and polygons as COCO's own code reads and writes them, for MaskConversionTest: golden/coco.json.

    python3 scripts/golden/coco.py data/src/test/resources/golden/coco.json

Needs pycocotools of PyPI.
"""

import json
import sys

import numpy
from pycocotools import mask

SIDES = (37, 23)  # height and width
POLYGONS = [
    [[2, 3, 15, 3, 15, 20, 2, 20]],  # corners of pixels
    [[2.5, 3.5, 15.5, 3.5, 15.5, 20.5, 2.5, 20.5]],  # middles
    [[1.3, 30.2, 20.9, 33.7, 11.1, 4.4]],
    [[-5, -4, 40, 10.25, 12, 60]],  # leads out of the image
    [[3, 3, 9, 3, 9, 9, 3, 9], [7, 7, 14, 7, 14, 30, 7, 30]],  # two parts
    [[4, 4, 18, 30, 18, 4, 4, 30]],  # crosses itself
    [[5, 5, 5, 5, 12, 9, 12, 9, 6, 21]],  # corners twice
]


def random_polygon(random):
    """A polygon with corners of two digits behind the point, as in COCO's files."""
    corners = random.uniform((-2, -2), (SIDES[1] + 2, SIDES[0] + 2), (9, 2))
    return [[round(value, 2) for value in corners.flatten().tolist()]]


def main(out):
    random = numpy.random.default_rng(1)
    result = []
    for share in (0.02, 0.5, 0.9, 0, 1):
        pixels = (random.random(SIDES) < share).astype(numpy.uint8)
        if share == 0.5:  # long runs, too
            pixels[:, 5:17] = 1
        encoded = mask.encode(numpy.asfortranarray(pixels))
        result.append(
            {
                "size": list(SIDES),
                "counts": encoded["counts"].decode(),
                "rows": ["".join(map(str, row)) for row in pixels.tolist()],
            }
        )
    for polygons in POLYGONS + [random_polygon(random) for _ in range(6)]:
        encoded = mask.merge(mask.frPyObjects(polygons, *SIDES))
        pixels = mask.decode(encoded)
        result.append(
            {
                "size": list(SIDES),
                "polygons": polygons,
                "rows": ["".join(map(str, row)) for row in pixels.tolist()],
            }
        )
    with open(out, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


main(sys.argv[1])
