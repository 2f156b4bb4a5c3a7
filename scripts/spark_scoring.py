"""Compares predictions on Apache Spark with fovea predict on the same two cores.

    python3 scripts/spark_scoring.py FOLDER docs/results/spark.json --spark-submit spark-submit

Needs spark-submit of Spark 4 on the PATH or by --spark-submit, and spark/target/fovea-spark.jar (mvn
-Pspark-jar -Dunchecked -Dmaven.test.skip=true -pl spark -am package). Makes images in FOLDER and trains a network
for one epoch. fovea predict and spark-submit --master local[2] take turns; figures are medians. Every
row is compared with what fovea predict said about its file. Then Spark runs with two executors, of
which one is killed (kill -9) as soon as the first part of the result is there, and the rows are
counted and compared again. At last it scores every small image five times, under five names, with a heap of 768 MB: the memory
of the process at ten moments shows whether it grows with the number of images. Sets that are not measured (--sets) keep
their figures in the JSON file, and so do the studies (spark_studies.py).
"""

import argparse
import csv
import datetime
import json
import os
import pathlib
import random
import re
import signal
import statistics
import struct
import subprocess
import threading
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
SETS = {  # images, side, backbone
    "small": (20_000, 28, "resnet8"),
    "photographs": (600, 256, "resnet18"),
}


def png(file, side, random_source):
    """Writes a grey picture of blobs, which compresses about as well as a photograph."""
    cells = [[random_source.randrange(256) for _ in range(9)] for _ in range(9)]
    rows = bytearray()
    for y in range(side):
        rows.append(0)
        i, fy = divmod(8 * y / side, 1)
        for x in range(side):
            j, fx = divmod(8 * x / side, 1)
            i, j = int(i), int(j)
            top = cells[i][j] * (1 - fx) + cells[i][j + 1] * fx
            low = cells[i + 1][j] * (1 - fx) + cells[i + 1][j + 1] * fx
            rows.append(int(top * (1 - fy) + low * fy))

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def make(folder, count, side):
    random_source = random.Random(1)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        file = folder / f"{i:06}.png"
        if not file.exists():
            png(file, side, random_source)


def train(folder, backbone, images):
    """A network that has seen one epoch of the images, whose two classes mean nothing."""
    run = folder / f"run-{backbone}"
    if not run.exists():
        data = folder / f"data-{backbone}"
        for i, name in enumerate(["a", "b"]):
            (data / name).mkdir(parents=True, exist_ok=True)
            for file in sorted(images.iterdir())[i * 20 : i * 20 + 20]:
                (data / name / file.name).write_bytes(file.read_bytes())
        subprocess.run(
            [ROOT / "fovea", "train", "--data", data, "--backbone", backbone, "--epochs", "1"]
            + ["--pretrained", "none", "--out", run],
            check=True,
        )
    return run


class Memory(threading.Thread):
    """Samples the resident memory of a process and its children, in bytes."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.samples, self.ended = pid, [], False

    def run(self):
        while not self.ended:
            self.samples.append(sum(resident(pid) for pid in [self.pid, *children(self.pid)]))
            time.sleep(0.25)


def resident(pid):
    try:
        pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def children(pid):
    """All processes below a process, the nearest first."""
    found = []
    try:
        below = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            if task.name != str(pid):
                below += (task / "children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return found
    for child in below:
        found += [int(child), *children(int(child))]
    return found


def link(folder, images, times):
    """The same pictures under more names."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in images.iterdir():
        for i in range(times):
            name = folder / f"{i}-{file.name}"
            if not name.exists():
                os.link(file, name)


def executors(pid=None):
    """The processes of executors below a process, or of this machine."""
    found = []
    for each in children(pid) if pid else [int(p.name) for p in pathlib.Path("/proc").glob("[0-9]*")]:
        try:
            command = pathlib.Path(f"/proc/{each}/cmdline").read_bytes().decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if "CoarseGrainedExecutorBackend" in command:
            found.append(each)
    return found


def predict(run, images, out):
    command = [ROOT / "fovea", "predict", "--run", run, images, "--format", "csv", "--top", "1"]
    start = time.perf_counter()
    with open(out, "w") as result:
        subprocess.run([*command, "--threads", "2"], check=True, stdout=result)
    return {"seconds": round(time.perf_counter() - start, 1)}


def score(arguments, master, run, images, out, options=(), during=None):
    command = [arguments.spark_submit, "--master", master, *options, "--class"]
    command += ["io.fovea.spark.Score", arguments.jar, "--run", run, "--images", images]
    command += ["--out", out, "--format", "csv", "--top", "1", "--overwrite"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    memory = Memory(process.pid)
    memory.start()
    helper = threading.Thread(target=during, args=(process.pid,), daemon=True) if during else None
    if helper:
        helper.start()
    text, log = process.communicate()
    seconds = time.perf_counter() - start
    memory.ended = True
    assert process.returncode == 0, log[-5000:]
    of_job = re.search(r"in (\d+) s \((\d+) a second\)", text)
    tenths = [memory.samples[len(memory.samples) * i // 10] for i in range(1, 10)]
    return {
        "seconds": round(seconds, 1),
        "seconds_of_job": int(of_job.group(1)),
        "megabytes_at_tenths": [round(each / 1e6) for each in tenths],
        "megabytes_at_most": round(max(memory.samples) / 1e6),
    }


def said(command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout


def rows(files):
    found = {}
    for file in files:
        with open(file, newline="") as lines:
            for row in csv.DictReader(lines):
                name = pathlib.Path(row.get("path") or row["file"]).name
                assert name not in found, f"{name} is there twice"
                found[name] = (row["class_1"], float(row["probability_1"]), row["error"])
    return found


def compare(expected, result):
    parts = list(pathlib.Path(result).glob("*.csv"))
    got = rows(parts)
    assert got.keys() == expected.keys(), f"{len(got)} rows, expected {len(expected)}"
    other = [name for name in got if got[name][0] != expected[name][0]]
    largest = max(abs(got[name][1] - expected[name][1]) for name in got)
    return {"rows": len(got), "other_classes": len(other), "largest_difference": largest}


def killer(out, state):
    """Kills an executor when a task has ended."""

    def during(pid):
        while True:
            found = executors(pid)
            ended = list(pathlib.Path(out).glob("_temporary/0/task_*"))
            if found and ended:
                os.kill(found[0], signal.SIGKILL)
                state["killed_after_tasks"] = len(ended)
                return
            time.sleep(0.1)

    return during


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("result", type=pathlib.Path)
    parser.add_argument("--spark-submit", default="spark-submit")
    parser.add_argument("--jar", default=ROOT / "spark/target/fovea-spark.jar")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sets", default=",".join(SETS))
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    sets = {}
    for name in arguments.sets.split(","):
        count, side, backbone = SETS[name]
        images = folder / name
        make(images, count, side)
        run = train(folder, backbone, images)
        here, there = [], []
        for i in range(arguments.rounds):
            here.append(predict(run, images, folder / f"{name}.csv"))
            there.append(score(arguments, "local[2]", run, images, folder / f"{name}-spark"))
        expected = rows([folder / f"{name}.csv"])
        compared = compare(expected, folder / f"{name}-spark")
        seconds = statistics.median(one["seconds"] for one in here)
        on_spark = statistics.median(one["seconds"] for one in there)
        sets[name] = {
            "images": count,
            "side": side,
            "backbone": backbone,
            "predict_images_per_second": round(count / seconds, 1),
            "spark_images_per_second": round(count / on_spark, 1),
            "spark_to_predict": round(seconds / on_spark, 3),
            "job_to_predict": round(seconds / statistics.median(one["seconds_of_job"] for one in there), 3),
            "predict": here,
            "spark": there,
            "compared": compared,
        }
        print(name, json.dumps(sets[name], indent=1))
        if name == "small":
            out, state = folder / "killed", {}
            lost = score(
                arguments,
                "local-cluster[2,1,1536]",
                run,
                images,
                out,
                ["--conf", "spark.sql.files.maxPartitionBytes=33554432"],
                killer(out, state),
            )
            assert state, "no executor was killed"
            sets[name]["killed_executor"] = {**state, **compare(expected, out), **lost}
            print("killed executor", sets[name]["killed_executor"])
            link(folder / "many", images, 5)
            small_heap = ["--driver-memory", "768m"]
            alone = predict(run, folder / "many", folder / "many.csv")["seconds"]
            many = score(arguments, "local[2]", run, folder / "many", folder / "many-spark", small_heap)
            many |= compare(rows([folder / "many.csv"]), folder / "many-spark")
            sets[name]["five_times_as_many"] = {
                "images": 5 * count,
                "heap_megabytes": 768,
                "predict_seconds": alone,
                "spark_to_predict": round(alone / many["seconds"], 3),
                "job_to_predict": round(alone / many["seconds_of_job"], 3),
                **many,
            }
            print("five times as many", sets[name]["five_times_as_many"])
    whole = json.loads(arguments.result.read_text()) if arguments.result.exists() else {}
    java = [pathlib.Path(os.environ["JAVA_HOME"], "bin/java") if "JAVA_HOME" in os.environ else "java", "-version"]
    whole |= {
        "date": datetime.date.today().isoformat(),
        "processor": re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1),
        "cores": len(os.sched_getaffinity(0)),
        "java": re.search(r'version "([^"]+)', said(java)).group(1),
        "spark": said([arguments.spark_submit, "--version"]).split("version ")[1].split()[0],
        "fovea": said(["git", "-C", ROOT, "describe", "--always", "--dirty"]).strip(),
        "sets": whole.get("sets", {}) | sets,
    }
    arguments.result.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
