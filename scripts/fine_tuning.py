"""Measures what trained weights are worth when there are few images: with and without, three seeds.

    python3 scripts/data/photographs.py FOLDER/photographs
    python3 scripts/data/fashion_mnist_halves.py FOLDER/halves
    python3 scripts/fine_tuning.py FOLDER docs/results/fine-tuning.json

The first experiment (--only photographs) starts resnet20 from its published weights for CIFAR-10, which
are downloaded once. The second (--only fashion_mnist_halves) trains resnet8 on 1000 images of one half
of the classes of Fashion-MNIST, and then on 20 images of each class of the other half, for 5 and for 20
epochs. Runs that are there already are not trained again. With --only, the other experiment stays in the
file as it was.
"""

import argparse
import json
import pathlib
import subprocess

SEEDS = (1, 2, 3)
EPOCHS = 20
SHORT = 5


def train(fovea, out, *options):
    """Trains a network if that is not done yet, and returns the test accuracy of each epoch."""
    if (out / "last.safetensors").exists() and not (out / "state.safetensors").exists():
        return scores(out)  # of an earlier call
    command = [fovea, "train", *options, "--out", str(out), "--no-tensorboard"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return scores(out)


def scores(out):
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


def photographs(fovea, root):
    options = ("--backbone", "resnet20", "--epochs", str(EPOCHS))
    for name, more in (("new weights", ("--pretrained", "none")), ("CIFAR-10", ("--pretrained",))):
        data = ("--data", str(root / "photographs"))
        found = [
            train(
                fovea, root / "runs" / f"{name}-{seed}", *options, *more, *data, "--seed", str(seed)
            )
            for seed in SEEDS
        ]
        yield row(name, (*options, *more), found)


def fashion_mnist_halves(fovea, root):
    options = ("--backbone", "resnet8", "--image-size", "28", "--grey")
    pretraining = (*options, "--limit", "1000", "--epochs", "8", "--data", str(root / "halves/first"))
    for seed in SEEDS:
        train(fovea, root / "runs" / f"first-{seed}", *pretraining, "--seed", str(seed))
    for epochs in (SHORT, EPOCHS):
        training = (*options, "--epochs", str(epochs))
        for name in ("new weights", "first half"):
            found = []
            for seed in SEEDS:
                first = str(root / "runs" / f"first-{seed}")
                more = () if name == "new weights" else ("--init", first)
                data = ("--data", str(root / "halves/second"), "--seed", str(seed))
                out = root / "runs" / f"second {name} {epochs}-{seed}"
                found.append(train(fovea, out, *training, *more, *data))
            own = training if name == "new weights" else (*training, "--init", "RUN")
            yield row(f"{name}, {epochs} epochs", own, found)


EXPERIMENTS = {"photographs": photographs, "fashion_mnist_halves": fashion_mnist_halves}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("--fovea", default="./fovea")
    parser.add_argument("--only", choices=EXPERIMENTS)
    arguments = parser.parse_args()
    found = {
        name: list(experiment(arguments.fovea, arguments.folder))
        for name, experiment in EXPERIMENTS.items()
        if arguments.only in (None, name)
    }
    config = next((arguments.folder / "runs").glob("*/config.json"))
    before = json.loads(arguments.target.read_text()) if arguments.target.exists() else {}
    result = {
        "format": "fovea-fine-tuning/1",
        "command": "python3 scripts/fine_tuning.py FOLDER docs/results/fine-tuning.json",
        "seeds": list(SEEDS),
        "machine": json.loads(config.read_text())["machine"],
        **{name: before[name] for name in EXPERIMENTS if name in before},
        **found,
    }
    arguments.target.write_text(json.dumps(result, indent=1) + "\n")


main()
