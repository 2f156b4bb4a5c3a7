"""Measures what it costs to train with several processes, and writes docs/results/scale.json.

    python3 scripts/scale.py FOLDER docs/results/scale.json [--networks]

For resnet20 at 32 x 32 and resnet18 at 224 x 224 pixels, three ways to use two cores take turns: one
process with two threads; two processes with one thread each that train one network; and two with one
thread each that train a network of their own. The second against the third is the share of time in
communication that is not hidden behind the backward pass. Then io.fovea.benchmarks.Exchange measures
sums, from which a model of larger numbers follows. With --networks (as root, with ip and tc) both are
repeated between two network namespaces whose link has a latency and a bandwidth. Where the kernel has no
netem, this script is the wire: it takes packets from one namespace, holds them for the latency, and hands
them to the other; it does not reach 10 Gbit/s, which then has no latency. --only-networks keeps the other
figures of the JSON file.

Build before: ./fovea doctor; mvn -q -pl benchmarks -am -DskipTests package. Needs numpy and Pillow.
"""

import argparse
import collections
import fcntl
import json
import multiprocessing
import os
import pathlib
import platform
import select
import shutil
import socket
import statistics
import struct
import subprocess
import time

import numpy
from PIL import Image

ROUNDS = 3
HOME = pathlib.Path(__file__).resolve().parent.parent
CASES = {
    "resnet20 at 32": dict(backbone="resnet20", side=32, batch=64, images=1024),
    "resnet18 at 224": dict(backbone="resnet18", side=224, batch=8, images=64),
}
FASTEST = "10gbit"  # more than this script carries
NETWORKS = {"10 Gbit/s, 0.1 ms": (FASTEST, "0.05ms"), "1 Gbit/s, 1 ms": ("1gbit", "0.5ms"),
            "100 Mbit/s, 10 ms": ("100mbit", "5ms")}
SPACES = ("fovea-a", "fovea-b")


def images(folder, side, count):
    random = numpy.random.default_rng(1)
    for split, number in (("train", count // 2), ("test", 2)):
        for name in ("a", "b"):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for i in range(number):
                pixels = random.integers(0, 256, (side, side, 3), dtype=numpy.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")


def command(case, folder, threads, batch, out, more=()):
    side = str(case["side"])
    return [str(HOME / "fovea"), "train", "--data", str(folder / side), "--image-size", side,
            "--backbone", case["backbone"], "--epochs", "2", "--no-tensorboard", "--pretrained", "none",
            "--threads", str(threads), "--batch-size", str(batch), "--out", str(out), *more]


def rates(processes, outs):
    for process in processes:
        if process.wait() != 0:
            raise SystemExit(f"failed: {process.args}")
    result = 0
    for out in outs:
        lines = (out / "metrics.jsonl").read_text().splitlines()
        result += json.loads(lines[-1])["images_per_second"]
    return result


def start(arguments, space=None):
    inside = ["ip", "netns", "exec", space] if space else []
    return subprocess.Popen(inside + arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def fresh(folder, name):
    shutil.rmtree(folder / name, ignore_errors=True)
    return folder / name


def train(case, folder, way, spaces=None):
    outs = [fresh(folder, "run0"), fresh(folder, "run1")]
    batch = case["batch"]
    if way == "one":
        return rates([start(command(case, folder, 2, 2 * batch, outs[0]))], outs[:1])
    if way == "apart":
        return rates([start(command(case, folder, 1, batch, out)) for out in outs], outs)
    if spaces:
        more = lambda i: ["--nnodes", "2", "--node-rank", str(i), "--master", "10.77.0.1"]
        return rates([start(command(case, folder, 1, batch, outs[0], more(i)), spaces[i])
                      for i in range(2)], outs[:1])
    return rates([start(command(case, folder, 1, batch, outs[0], ["--processes", "2"]))], outs[:1])


def sums(spaces=None):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    jars = (HOME / "benchmarks/target/benchmarks.classpath").read_text().strip()
    processes = []
    for rank in range(2):
        variables = dict(RANK=str(rank), WORLD_SIZE="2", MASTER_PORT=str(port),
                         MASTER_ADDR="10.77.0.1" if spaces else "127.0.0.1")
        inside = ["ip", "netns", "exec", spaces[rank]] if spaces else []
        processes.append(subprocess.Popen(
            inside + ["java", "-cp", f"{HOME}/benchmarks/target/classes:{jars}",
                      "io.fovea.benchmarks.Exchange"],
            env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True))
    said = [process.communicate()[0] for process in processes]
    found = [line.split() for line in said[0].splitlines() if line[0].isdigit()]
    return [dict(bytes=int(size), seconds=float(seconds)) for size, seconds in found]


def run(text):
    subprocess.run(text.split(), check=True)


def link(rate, delay):
    """Connects two namespaces. Returns whether there is a latency, and the wire if it is this script."""
    unlink()
    for space in SPACES:
        run(f"ip netns add {space}")
        run(f"ip -n {space} link set lo up")
    run(f"ip link add fovea0 netns {SPACES[0]} type veth peer name fovea1 netns {SPACES[1]}")
    for i in range(2):
        address(i)
    queues = [f"ip netns exec {space} tc qdisc add dev fovea{i} root" for i, space in enumerate(SPACES)]
    # a queue that holds what is on the way, or packets would be lost
    netem = f"netem delay {delay} rate {rate} limit 100000"
    if all(subprocess.run(f"{queue} {netem}".split(), stderr=subprocess.DEVNULL).returncode == 0 for queue in queues):
        return True, None
    if rate != FASTEST:
        run(f"ip -n {SPACES[0]} link del fovea0")
        return True, wire(rate, delay)
    for queue in queues:
        run(f"{queue} tbf rate {rate} burst 256k latency 400ms")
    return False, None


def address(i):
    run(f"ip -n {SPACES[i]} addr add 10.77.0.{i + 1}/24 dev fovea{i}")
    run(f"ip -n {SPACES[i]} link set fovea{i} up")


def wire(rate, delay):
    """Connects the namespaces by a process that takes the packets of each and hands them to the other."""
    ends = []
    for i in range(2):
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        flags = 0x0001 | 0x1000  # packets of IP, without a header before them
        fcntl.ioctl(end, 0x400454CA, struct.pack("16sH", f"fovea{i}".encode(), flags))
        run(f"ip link set fovea{i} mtu 60000 netns {SPACES[i]}")
        address(i)
        ends.append(end)
    bits = float(rate[:-4]) * (1e9 if rate.endswith("gbit") else 1e6)
    process = multiprocessing.Process(target=carry, args=(ends, bits / 8, float(delay[:-2]) / 1e3), daemon=True)
    process.start()
    for end in ends:
        os.close(end)
    return process


def carry(ends, bytes_per_second, delay):
    queues = [collections.deque(), collections.deque()]  # what is on the way from each end
    free = [0.0, 0.0]  # when the line of each end has sent what it got
    while True:
        due = min((queue[0][0] for queue in queues if queue), default=None)
        wait = None if due is None else max(0, due - time.monotonic())
        for end in select.select(ends, [], [], wait)[0]:
            i = ends.index(end)
            packet = os.read(end, 65536)
            free[i] = max(free[i], time.monotonic()) + len(packet) / bytes_per_second
            queues[i].append((free[i] + delay, packet))
        for i, queue in enumerate(queues):
            while queue and queue[0][0] <= time.monotonic():
                os.write(ends[1 - i], queue.popleft()[1])


def unlink():
    for space in SPACES:
        subprocess.run(["ip", "netns", "del", space], stderr=subprocess.DEVNULL)


def model(measured, seconds, parameters):
    """A ring: 2 (N - 1) messages one after the other, and 2 (N - 1) / N of all bytes."""
    small, large = measured[0], measured[-1]
    latency = small["seconds"] / 2
    bandwidth = large["bytes"] / (large["seconds"] - small["seconds"])
    rows = []
    for workers in (2, 4, 8, 16, 64, 256, 1024):
        exchange = (2 * (workers - 1) * latency
                    + 2 * (workers - 1) / workers * 4 * parameters / bandwidth)
        rows.append(dict(workers=workers, exchange_seconds=exchange,
                         efficiency_without_overlap=seconds / (seconds + exchange),
                         efficiency_with_full_overlap=seconds / max(seconds, exchange)))
    return dict(latency_seconds=latency, bytes_per_second=bandwidth, step_seconds=seconds, rows=rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("result", type=pathlib.Path)
    parser.add_argument("--networks", action="store_true")
    parser.add_argument("--only-networks", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for case in CASES.values():
        images(given.folder / str(case["side"]), case["side"], case["images"])
    result = dict(date=time.strftime("%Y-%m-%d"), processor=cpu(), cores=os.cpu_count(),
                  load_before=os.getloadavg()[0], rounds=given.rounds, trainings={}, networks={})
    parameters = {"resnet20 at 32": 272_186, "resnet18 at 224": 11_177_538}
    if given.only_networks:
        result = json.loads(given.result.read_text())
    else:
        result["sums"] = sums()
    for name, case in () if given.only_networks else CASES.items():
        found = {way: [] for way in ("one", "together", "apart")}
        for _ in range(given.rounds):
            for way, values in found.items():
                values.append(train(case, given.folder, way))
        ratio = lambda a, b: statistics.median(x / y for x, y in zip(found[a], found[b]))
        result["trainings"][name] = dict(
            batch_of_a_process=case["batch"], parameters=parameters[name],
            images_per_second={way: statistics.median(values) for way, values in found.items()},
            all_rounds=found, two_processes_to_two_threads=ratio("together", "one"),
            share_in_communication=1 - ratio("together", "apart"),
            model=model(result["sums"], 2 * case["batch"] / statistics.median(found["apart"]),
                        parameters[name]))
        print(name, json.dumps(result["trainings"][name]["images_per_second"]), flush=True)
        given.result.write_text(json.dumps(result, indent=1) + "\n")
    if given.networks or given.only_networks:
        for title, (rate, delay) in NETWORKS.items():
            cable = None
            try:
                delayed, cable = link(rate, delay)
                own = result["networks"][title if delayed else title.split(",")[0]] = dict(
                    date=time.strftime("%Y-%m-%d"), sums=sums(SPACES), trainings={})
                for name, case in CASES.items():
                    measured = result["trainings"][name]
                    own["trainings"][name] = dict(
                        images_per_second=train(case, given.folder, "together", SPACES),
                        model=model(own["sums"], measured["model"]["step_seconds"],
                                    measured["parameters"]))
                    print(title, name, own["trainings"][name]["images_per_second"], flush=True)
            finally:
                if cable:
                    cable.terminate()
                unlink()
            given.result.write_text(json.dumps(result, indent=1) + "\n")
    result["load_after"] = os.getloadavg()[0]
    given.result.write_text(json.dumps(result, indent=1) + "\n")


def cpu():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
