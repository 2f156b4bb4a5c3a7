"""Measures what trained weights are worth when there are few images: with and without, three seeds.

    python3 scripts/data/photographs.py FOLDER/photographs
    python3 scripts/data/fashion_mnist_halves.py FOLDER/halves
    python3 scripts/fine_tuning.py FOLDER docs/results/fine-tuning.json [FOVEA]

The first experiment starts resnet20 from its published weights for CIFAR-10 (--pretrained; they are
downloaded once). The second trains resnet8 on one half of the classes of Fashion-MNIST, and then on
20 images of each class of the other half. FOVEA is the command, ./fovea if none is given.
"""

import json
import pathlib
import subprocess
import sys

SEEDS = (1, 2, 3)
EPOCHS = 20


def train(fovea, out, *options):
    """Trains a network, and returns the test accuracy of each epoch."""
    command = [fovea, "train", *options, "--out", str(out), "--no-tensorboard"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["test_top1"] for line in lines]


def row(name, options, runs):
    return {
        "name": name,
        "options": " ".join(options),
        "last_top1": [run[-1] for run in runs],
        "best_top1": [max(run) for run in runs],
        "top1_by_epoch": runs,
    }


def main():
    root, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    fovea = sys.argv[3] if len(sys.argv) > 3 else "./fovea"
    runs = root / "runs"
    epochs = ("--epochs", str(EPOCHS))

    photographs = ("--data", str(root / "photographs"), "--backbone", "resnet20", *epochs)
    halves = ("--backbone", "resnet8", "--image-size", "28", "--grey")
    rows = {"photographs": [], "fashion_mnist_halves": []}
    for name, more in (("new weights", ("--pretrained", "none")), ("CIFAR-10", ("--pretrained",))):
        found = [
            train(fovea, runs / f"{name}-{seed}", *photographs, *more, "--seed", str(seed))
            for seed in SEEDS
        ]
        rows["photographs"].append(row(name, ("--backbone", "resnet20", *epochs, *more), found))
    for seed in SEEDS:
        first = (*halves, "--data", str(root / "halves/first"), "--epochs", "10")
        train(fovea, runs / f"first-{seed}", *first, "--seed", str(seed))
    second = (*halves, "--data", str(root / "halves/second"), *epochs)
    for name in ("new weights", "first half"):
        found = []
        for seed in SEEDS:
            more = () if name == "new weights" else ("--init", str(runs / f"first-{seed}"))
            out = runs / f"second {name}-{seed}"
            found.append(train(fovea, out, *second, *more, "--seed", str(seed)))
        more = () if name == "new weights" else ("--init", "first")
        rows["fashion_mnist_halves"].append(row(name, (*halves, *epochs, *more), found))
    config = json.loads((runs / "first-1" / "config.json").read_text())
    result = {
        "format": "fovea-fine-tuning/1",
        "command": "python3 scripts/fine_tuning.py FOLDER docs/results/fine-tuning.json",
        "seeds": list(SEEDS),
        "machine": config["machine"],
        **rows,
    }
    target.write_text(json.dumps(result, indent=1) + "\n")


main()
