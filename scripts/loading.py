"""Measures how many photographs a second are loaded and augmented, by Fovea and by torchvision.

    python3 scripts/loading.py FOLDER docs/results/loading.json

Writes 768 JPEGs of 224 x 224 pixels into FOLDER (crops of the two photographs of scikit-learn), and as
many of 500 x 375. For each, Fovea's loader (io.fovea.benchmarks.Loading, built before by
mvn -q -pl benchmarks -am -DskipTests package) and torchvision's, in a DataLoader with two workers,
take turns; figures are medians. torchvision is measured with PIL images and with tensors of bytes,
its two ways to the same transforms. Then ResNet-18 is trained on the JPEGs of 224 x 224 with the
augmentation and, in turns, on the same images from memory without any.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import time

import numpy
import PIL
import sklearn
import torch
import torchvision
from PIL import Image
from torchvision.transforms import v2

COUNT = 768
BATCH = 16
WORKERS = 2
ROUNDS = 5
AUGMENT = "crop=0.35,1;trivial;erase=0.25"
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
TRAINED = "224x224"
SIZES = {"224x224": (224, 224), "500x375": (500, 375)}


def make(folder, width, height):
    if folder.exists():
        return
    (folder / "a").mkdir(parents=True)
    images = pathlib.Path(sklearn.__file__).parent / "datasets" / "images"
    sources = [Image.open(images / name).convert("RGB") for name in ("china.jpg", "flower.jpg")]
    random = numpy.random.default_rng(1)
    for number in range(COUNT):
        source = sources[number % 2]
        share = random.uniform(0.5, 1)
        w = int(share * min(source.width, source.height * width / height))
        h = int(w * height / width)
        left = int(random.integers(0, source.width - w + 1))
        top = int(random.integers(0, source.height - h + 1))
        crop = source.crop((left, top, left + w, top + h))
        crop.resize((width, height), Image.Resampling.BICUBIC).save(
            folder / "a" / f"{number:03}.jpg", quality=90
        )


def transforms(kind):
    after = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD), v2.RandomErasing(0.25)]
    steps = [
        v2.RandomResizedCrop(224, scale=(0.35, 1), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.TrivialAugmentWide(),
    ]
    return v2.Compose([*steps, v2.ToImage(), *after] if kind == "PIL" else [v2.ToImage(), *steps, *after])


class Torchvision:
    def __init__(self, folder, kind):
        data = torchvision.datasets.ImageFolder(folder, transforms(kind))
        self.loader = torch.utils.data.DataLoader(
            data, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True
        )

    def load(self):
        start = time.perf_counter()
        seen = sum(len(images) for images, _ in self.loader)
        return seen / (time.perf_counter() - start)


class Fovea:
    def __init__(self, java, folder):
        classes = pathlib.Path("benchmarks/target/benchmarks.classpath").read_text().strip()
        command = [java, "-Xmx2g", "--enable-native-access=ALL-UNNAMED"]
        if arguments_of(java):
            command += ["--add-modules", "jdk.incubator.vector"]
        command += ["-cp", "benchmarks/target/classes:" + classes, "io.fovea.benchmarks.Loading"]
        environment = {
            **os.environ,
            "GOMP_SPINCOUNT": "50000",  # as the launcher sets them
            "MALLOC_TRIM_THRESHOLD_": "268435456",
            "MALLOC_MMAP_THRESHOLD_": "268435456",
        }
        self.process = subprocess.Popen(
            [*command, str(folder), "224", "224", AUGMENT],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def arguments_of(java):
    release = pathlib.Path(java).resolve().parents[1] / "release"
    return release.exists() and "jdk.incubator.vector" in release.read_text()


def in_turns(rounds, **measured):
    """Calls each in turns, twice more at the beginning, which does not count."""
    found = {name: [] for name in measured}
    for number in range(-2, rounds):
        for name, call in measured.items():
            value = call()
            if number >= 0:
                found[name].append(round(value, 1))
            print(name, round(value, 1), flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("--java", default="java")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    rows = []
    for name, (width, height) in SIZES.items():
        folder = arguments.folder / name
        make(folder, width, height)
        fovea = Fovea(arguments.java, folder)
        pil, tensors = Torchvision(folder, "PIL"), Torchvision(folder, "tensors")
        machine = fovea.ask("machine")
        found = in_turns(
            arguments.rounds,
            fovea=lambda: fovea.ask("load"),
            torchvision_pil=pil.load,
            torchvision_tensors=tensors.load,
        )
        del pil, tensors  # ends their workers
        trained = (
            in_turns(
                arguments.rounds,
                memory=lambda: fovea.ask("memory"),
                files=lambda: fovea.ask("files"),
            )
            if name == TRAINED
            else {}
        )
        fovea.close()
        medians = {key: statistics.median(values) for key, values in {**found, **trained}.items()}
        best = max(medians["torchvision_pil"], medians["torchvision_tensors"])
        rows.append(
            {
                "files": name,
                "images_per_second": medians,
                "times_as_many_as_torchvision": round(medians["fovea"] / best, 2),
                "training_on_files_to_memory": (
                    round(medians["files"] / medians["memory"], 3) if trained else None
                ),
                "rounds": {**found, **trained},
            }
        )
        print(json.dumps({k: v for k, v in rows[-1].items() if k != "rounds"}, indent=1), flush=True)
    result = {
        "format": "fovea-loading/1",
        "command": "python3 scripts/loading.py FOLDER docs/results/loading.json",
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": machine,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "pillow": PIL.__version__,
        "augment": AUGMENT,
        "batch": BATCH,
        "workers": WORKERS,
        "rows": rows,
    }
    arguments.target.write_text(json.dumps(result, indent=1) + "\n")


main()
