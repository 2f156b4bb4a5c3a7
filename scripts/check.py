"""Runs the scripts that write test files, into a temporary folder, and compares with what is in the
tree.

    python3 scripts/check.py [SCRIPT ...] [--code DIR] [--write]

SCRIPT is golden/attention.py, data/videos.py or another of README.md; without any, all run. For
each file one line says "same bytes", or by how much the largest number differs, or what else does.
Ends with 1 if a difference is more than rounding, if a script fails, or if nothing writes a file of
these folders any more. --write puts what was written into the tree.
"""

import argparse
import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

TREE = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Job:
    script: str
    target: str  # the folder or the file that it writes
    rounding: float = 1e-11  # what may differ, relative to the largest of the numbers beside it
    code: str = ""  # "takes" or "needs" --code
    tool: str = ""  # what has to be installed, beside requirements.txt: a path, and its package

    def unavailable(self, code):
        if self.code == "needs" and code is None:
            return "needs --code DIR"
        path, _, package = self.tool.partition(" ")
        if path and not pathlib.Path(path).exists():
            return f"needs {package} (apt-get install {package})"
        return None


FLOAT32 = 1e-5
JOBS = [
    Job("golden/attention.py", "attention/src/test/resources/golden", code="takes"),
    Job("golden/blocks.py", "models/src/test/resources/golden"),
    Job("golden/backbones.py", "models/src/test/resources/golden/torchvision.json"),
    Job("golden/published_backbones.py", "models/src/test/resources/golden/backbones.json"),
    Job("golden/danet.py", "models/src/test/resources/golden/danet.json"),
    Job("golden/heads.py", "models/src/test/resources/golden/heads.json", code="takes"),
    Job("golden/mmsegmentation.py", "models/src/test/resources/golden/mmsegmentation.json"),
    Job("golden/timm_names.py", "models/src/test/resources/golden/timm_names.json"),
    Job("golden/mmaction2.py", "models/src/test/resources/golden/mmaction.json"),
    Job("golden/gradcam.py", "explain/src/test/resources/golden/gradcam.json"),
    Job("golden/layouts.py", "models/src/test/resources/golden/layouts.json", code="needs"),
    Job("golden/video.py", "models/src/test/resources/golden/video.json"),
    Job("golden/checkpoints.py", "models/src/test/resources/checkpoints"),
    Job("golden/trainers.py", "models/src/test/resources/trainers"),
    Job("golden/imports.py", "models/src/test/resources/imports", FLOAT32),
    Job("golden/segmentation.py", "training/src/test/resources/golden/segmentation.json", FLOAT32),
    Job("golden/augmentation.py", "data/src/test/resources/golden/augmentation.json"),
    Job("golden/coco.py", "data/src/test/resources/golden/coco.json"),
    Job("golden/crops.py", "data/src/test/resources/golden/crops.json"),
    Job("golden/raw_image.py", "models/src/test/resources/golden/raw_image.json"),
    Job("golden/published.py", "training/src/test/resources/golden/published.json"),
    Job("golden/evaluation.py", "training/src/test/resources/golden/evaluation.json"),
    Job("golden/optimizers.py", "training/src/test/resources/golden/optimizers.json"),
    Job("golden/ema.py", "training/src/test/resources/golden/ema.json"),
    Job("golden/schedules.py", "training/src/test/resources/golden/schedules.json"),
    Job("golden/search.py", "training/src/test/resources/golden/search.json"),
    Job("data/videos.py", "data/src/test/resources/videos", tool="/usr/bin/ffmpeg ffmpeg"),
    Job(
        "data/fashion_mnist_sample.py",
        "data/src/main/resources/io/fovea/data/bundled/fashion-mnist-sample",
        tool="/usr/share/datasets/fashion-mnist dataset-fashion-mnist",
    ),
]


def numbers(path):
    """What is in a file, as a dict: a name's numbers are a list, anything else is a text."""
    if path.suffix == ".json":
        found = {}
        collect(json.loads(path.read_text()), "", found)
        return found
    if path.suffix == ".safetensors":
        import safetensors.torch

        found = safetensors.torch.load_file(path)
    else:
        import torch

        with warnings.catch_warnings(action="ignore"):  # of the files that are odd on purpose
            found = flat(torch.load(path, weights_only=True))
    return {name: [str(t.shape), *t.double().flatten().tolist()] for name, t in found.items()}


def flat(value, name=""):
    if hasattr(value, "shape"):
        return {name: value}
    items = value.items() if isinstance(value, dict) else ()
    return {key: tensor for k, v in items for key, tensor in flat(v, f"{name}/{k}").items()}


def collect(value, name, found):
    """Lists of numbers, and single ones, of JSON."""
    if isinstance(value, dict):
        for key, inner in value.items():
            collect(inner, f"{name}/{key}", found)
    elif isinstance(value, list) and not all(isinstance(v, (int, float)) for v in value):
        for i, inner in enumerate(value):
            collect(inner, f"{name}/{i}", found)
    else:
        found[name] = value if isinstance(value, list) else [value]


def compare(here, there):
    """The largest difference, and what is not a number and differs. Raises what reading raises."""
    a, b = numbers(here), numbers(there)
    largest, others = 0.0, []
    if a.keys() != b.keys():
        others.append("names")
    scales = {
        name: max((abs(v) for v in a[name] if not isinstance(v, str)), default=0) for name in a
    }
    least = 1e-6 * max(scales.values(), default=0)  # of gradients that are zero but for rounding
    for name in a.keys() & b.keys():
        if len(a[name]) != len(b[name]):
            others.append(name)
            continue
        for x, y in zip(a[name], b[name]):
            if isinstance(x, (str, type(None))) or isinstance(y, (str, type(None))):
                if x != y:
                    others.append(f"{name} {y} -> {x}")
            elif x != y:
                largest = max(largest, abs(x - y) / max(scales[name], least))
    return largest, others


def verdict(here, there, rounding):
    """A text, and whether that is well."""
    if not there.exists():
        return "not in the tree", False
    if here.read_bytes() == there.read_bytes():
        return "same bytes", True
    try:
        largest, others = compare(here, there)
    except Exception:  # a video, or a file that torch.load refuses on purpose
        return "other bytes", False
    versions = [other for other in others if "made_with" in other]
    well = largest <= rounding and len(others) == len(versions)
    return "; ".join([f"largest difference {largest:.1e}", *others]), well


def run(job, folder, code):
    target = folder / job.target
    (target.parent if target.suffix else target).mkdir(parents=True, exist_ok=True)
    command = [sys.executable, TREE / "scripts" / job.script, target]
    if job.code and code is not None:
        command += ["--code", code]
    before = set(folder.rglob("*"))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    written = {path for path in set(folder.rglob("*")) - before if path.is_file()}
    return done.returncode, done.stdout, sorted(written)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scripts", metavar="SCRIPT", nargs="*")
    parser.add_argument("--code", metavar="DIR", help="where the authors' repositories are")
    parser.add_argument("--write", action="store_true", help="put the files into the tree")
    options = parser.parse_args()
    unknown = set(options.scripts) - {job.script for job in JOBS}
    if unknown:
        parser.error(f"no such script: {', '.join(sorted(unknown))}")
    well, skipped, all_written = True, False, set()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for job in JOBS:
            if options.scripts and job.script not in options.scripts:
                skipped = True
                continue
            why = job.unavailable(options.code)
            if why is not None:
                skipped = True
                print(f"{job.script}: left out, as it {why}", flush=True)
                continue
            print(job.script, flush=True)
            status, output, written = run(job, folder, options.code)
            if status != 0 or not written:
                well = False
                print(f"{output}  ends with {status}, {len(written)} files written")
            for path in written:
                name = path.relative_to(folder)
                text, good = verdict(path, TREE / name, job.rounding)
                well &= good
                print(f"  {name}: {text}", flush=True)
                all_written.add(name)
                if options.write and status == 0:
                    shutil.copyfile(path, TREE / name)
    if not skipped:
        targets = [pathlib.Path(job.target) for job in JOBS]
        folders = {target.parent if target.suffix else target for target in targets}
        there = {p.relative_to(TREE) for f in folders for p in (TREE / f).iterdir() if p.is_file()}
        for name in sorted(there - all_written):
            well = False
            print(f"{name}: no script writes it")
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
