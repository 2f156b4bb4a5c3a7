#!/usr/bin/env python3
"""Cuts the bundled sample out of Fashion-MNIST.

The sample is the first 600 training and the first 200 test images of each class, in the order of the data set. Output is
the same, byte for byte, wherever the same zlib runs: the gzip headers carry no time and no name.

    apt-get install dataset-fashion-mnist
    data/src/main/scripts/cut-fashion-mnist-sample.py

The folder of the whole data set can be given as an argument; it is where Debian's package puts it by default.
"""

import gzip
import pathlib
import struct
import sys

PACKAGED = "/usr/share/datasets/fashion-mnist"
SAMPLE = pathlib.Path(__file__).parents[1] / "resources/io/fovea/data/bundled/fashion-mnist-sample"
CLASSES = 10
IMAGES_MAGIC = 0x803
LABELS_MAGIC = 0x801


def cut(source, prefix, per_class):
    images_name = f"{prefix}-images-idx3-ubyte.gz"
    labels_name = f"{prefix}-labels-idx1-ubyte.gz"
    images = gzip.decompress((source / images_name).read_bytes())
    labels = gzip.decompress((source / labels_name).read_bytes())
    magic, count, height, width = struct.unpack_from(">4I", images)
    if (magic, *struct.unpack_from(">2I", labels)) != (IMAGES_MAGIC, LABELS_MAGIC, count):
        sys.exit(f"{source}: {images_name} and {labels_name} are not images and their labels")
    area = height * width

    seen = [0] * CLASSES
    chosen = []
    for index, label in enumerate(labels[8:]):
        if seen[label] < per_class:
            seen[label] += 1
            chosen.append(index)
    if seen != [per_class] * CLASSES:
        sys.exit(f"{source}: too few images of a class: {seen}")

    write(
        images_name,
        struct.pack(">4I", IMAGES_MAGIC, len(chosen), height, width)
        + b"".join(images[16 + index * area : 16 + (index + 1) * area] for index in chosen),
    )
    write(
        labels_name,
        struct.pack(">2I", LABELS_MAGIC, len(chosen)) + bytes(labels[8 + index] for index in chosen),
    )


def write(name, content):
    SAMPLE.mkdir(parents=True, exist_ok=True)
    (SAMPLE / name).write_bytes(gzip.compress(content, compresslevel=9, mtime=0))
    print(f"{SAMPLE / name}: {len(content)} bytes")


def main():
    source = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else PACKAGED)
    if not source.is_dir():
        sys.exit(f"{source}: no such folder; apt-get install dataset-fashion-mnist")
    cut(source, "train", 600)
    cut(source, "t10k", 200)


if __name__ == "__main__":
    main()
