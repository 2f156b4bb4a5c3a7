"""Run lengths and segment ids as COCO's own code writes them, for MaskConversionTest: golden/coco.json.

    python3 scripts/golden/coco.py data/src/test/resources/golden/coco.json

Needs pycocotools of PyPI.
"""

import json
import sys

import numpy
from pycocotools import mask

SIDES = (37, 23)


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
    with open(out, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


main(sys.argv[1])
