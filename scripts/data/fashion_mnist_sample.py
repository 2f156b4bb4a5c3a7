"""Cuts the bundled sample out of Fashion-MNIST.

    apt-get install dataset-fashion-mnist
    python3 scripts/data/fashion_mnist_sample.py OUT [SOURCE]

The sample is the first 600 training and the first 200 test images of each class, in the order of
the data set. The files are the same, byte for byte, wherever the same zlib runs: their gzip headers
have no time and no name. OUT is the folder to write to, SOURCE that of the whole data set, which is
where Debian's package puts it if no other is given.
"""

import gzip
import pathlib
import struct
import sys

PACKAGED = "/usr/share/datasets/fashion-mnist"
CLASSES = 10
IMAGES_MAGIC = 0x803
LABELS_MAGIC = 0x801


def cut(source, out, prefix, per_class):
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
        out / images_name,
        struct.pack(">4I", IMAGES_MAGIC, len(chosen), height, width)
        + b"".join(images[16 + index * area : 16 + (index + 1) * area] for index in chosen),
    )
    write(
        out / labels_name,
        struct.pack(">2I", LABELS_MAGIC, len(chosen))
        + bytes(labels[8 + index] for index in chosen),
    )


def write(path, content):
    path.write_bytes(gzip.compress(content, compresslevel=9, mtime=0))
    print(f"{path}: {len(content)} bytes")


def main():
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[1])
    source = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else PACKAGED)
    if not source.is_dir():
        sys.exit(f"{source}: no such folder; apt-get install dataset-fashion-mnist")
    cut(source, out, "train", 600)
    cut(source, out, "t10k", 200)


if __name__ == "__main__":
    main()
