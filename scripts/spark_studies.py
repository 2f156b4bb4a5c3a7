"""Runs studies and a search on Apache Spark while things go wrong, and compares every result with one machine.

    python3 scripts/spark_studies.py FOLDER docs/results/spark.json

Needs SPARK_HOME, or spark-submit of Spark 4 on the PATH. The same study runs in this process; with two executors in
processes of their own (local-cluster), of which one is killed (kill -9) while it trains; with a driver that is killed and
starts again; and on a standalone master with two workers on this machine: an executor is killed there, too, and copies of
a training run by speculation. What differs from the study on one machine, times left out, is an error. Adds
"studies" to the JSON file.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from spark_scoring import ROOT, executors

STUDY = "compare --limit 600 --epochs 2 --modules none,se --seeds 1,2".split()
SEARCH = "search --limit 200 --epochs 2 --eta 2 --modules eca,se,simam --placements paper".split()
SEARCH += "--finalists 1 --budget 16epochs".split()
TIMES = {"seconds", "images_per_second", "latency_ms", "latency_batch_ms"}


def untimed(value):
    if isinstance(value, dict):
        return {name: untimed(each) for name, each in value.items() if name not in TIMES}
    return [untimed(each) for each in value] if isinstance(value, list) else value


def results(out):
    """The files of the trainings, without the times that they took."""
    return {file.name: untimed(json.loads(file.read_text())) for file in (out / "runs").glob("*.json")}


def conf(folder, **lines):
    """A folder with spark-defaults.conf."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = {"spark.driver.host": "localhost", "spark.driver.bindAddress": "127.0.0.1", **lines}
    text = "".join(f"{name} {value}\n" for name, value in lines.items())
    (folder / "spark-defaults.conf").write_text(text)
    return {"SPARK_CONF_DIR": str(folder)}


def start(words, out, environment):
    log = open(out.with_suffix(".log"), "a")
    return subprocess.Popen(
        [ROOT / "fovea", *words, "--out", out],
        env={**os.environ, **environment},
        stdout=log,
        stderr=log,
    )


def ended(process, out):
    assert process.wait() == 0, out.with_suffix(".log").read_text()[-5000:]


def wait(condition, process=None):
    while not condition():
        assert process is None or process.poll() is None, "ended too early"
        time.sleep(0.2)


def finished(out):
    return list((out / "runs").glob("*.json"))


def kill_one_executor(process, out, of=None):
    """Kills an executor when one training has ended and others run."""
    wait(lambda: finished(out) and executors(of), process)
    victim = executors(of)[0]
    os.kill(victim, signal.SIGKILL)
    return len(finished(out))


def spark_home():
    """SPARK_HOME, or the folder of pip's pyspark beside spark-submit."""
    if os.environ.get("SPARK_HOME"):
        return os.environ["SPARK_HOME"]
    bin = pathlib.Path(shutil.which("spark-submit")).resolve().parent
    if not (bin / "find_spark_home.py").exists():
        return str(bin.parent)
    return subprocess.run(
        [bin / "python3", bin / "find_spark_home.py"], capture_output=True, text=True, check=True
    ).stdout.strip()


def listening(port):
    with socket.socket() as one:
        return one.connect_ex(("localhost", port)) == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("result", type=pathlib.Path)
    parser.add_argument("--only-standalone", action="store_true", help="leave out the other cases")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    plain = conf(folder / "plain")
    report = {}
    expected = {}
    for name, words in (("compare", STUDY), ("search", SEARCH)):
        out = folder / f"{name}-here"
        ended(start([*words, "--threads", "2"], out, {}), out)
        expected[name] = results(out)

    def check(name, out, **more):
        got = results(out)
        study = name.split(" ")[0]
        assert got == expected[study], f"{name}: the results differ"
        log = out.with_suffix(".log").read_text()
        report[name] = {"trainings": len(got), "same_bits": True, **more}
        print(name, report[name], len(log), flush=True)

    both = (("compare", STUDY), ("search", SEARCH))
    on_one_machine = () if arguments.only_standalone else both
    for name, words in on_one_machine:
        cluster = [*words, "--on", "local-cluster[2,1,2048]"]
        out = folder / f"{name}-killed-executor"
        process = start(cluster, out, plain)
        already = kill_one_executor(process, out, process.pid)
        ended(process, out)
        check(f"{name} with a killed executor", out, finished_before=already)

    for name, words in on_one_machine:
        local = [*words, "--on", "local[2]"]
        out = folder / f"{name}-killed-driver"
        process = start(local, out, plain)
        wait(lambda: finished(out), process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        already = len(finished(out))
        ended(start(local, out, plain), out)
        check(f"{name} with a killed driver", out, finished_before=already)

    spark = spark_home()
    spark_class = pathlib.Path(spark) / "bin/spark-class"
    local_only = {**os.environ, "SPARK_HOME": spark}
    servers = []
    try:
        # two hosts, because Spark starts no copy of a task on the host that runs it
        workers = [
            ["worker.Worker", "--host", host, "--webui-port", port, "--cores", "1", "--memory", "3g"]
            + ["--work-dir", str(folder / f"work-{port}"), "spark://localhost:7077"]
            for host, port in (("127.0.0.1", "18081"), ("127.0.0.2", "18082"))
        ]
        for words in (
            ["master.Master", "--host", "localhost", "--port", "7077", "--webui-port", "18080"],
            *workers,
        ):
            with open(folder / f"{words[0]}-{len(servers)}.log", "w") as log:
                servers.append(
                    subprocess.Popen(
                        [spark_class, f"org.apache.spark.deploy.{words[0]}", *words[1:]],
                        env=local_only,
                        stdout=log,
                        stderr=log,
                    )
                )
            wait(lambda: listening(7077), servers[-1])
        standalone = conf(
            folder / "standalone",
            **{"spark.executor.cores": "1", "spark.executor.memory": "1g", "spark.cores.max": "2"},
        )
        for name, words in (("compare", STUDY), ("search", SEARCH)):
            out = folder / f"{name}-standalone"
            # defaultParallelism is 2 as soon as both executors are there; a study does not depend on it
            more = ["--on", "spark://localhost:7077"]
            process = start([*words, *more], out, standalone)
            already = kill_one_executor(process, out)
            ended(process, out)
            if name == "compare":
                check(f"{name} on spark://localhost:7077, with a killed executor", out, finished_before=already)
            else:
                got = results(out)
                known = [file for file in got if file in expected[name]]
                same = all(got[file] == expected[name][file] for file in known)
                assert same, "a training of the search differs"
                key = f"{name} on spark://localhost:7077, with a killed executor"
                report[key] = {
                    "trainings": len(got),
                    "same_trainings_as_here": len(known),
                    "same_bits": same,
                    "finished_before": already,
                }
                print(key, report[key], flush=True)
        out = folder / "compare-speculation"
        events = folder / "events"
        events.mkdir()
        speculation = conf(
            folder / "speculation",
            **{
                "spark.executor.memory": "1g",
                "spark.cores.max": "2",
                "spark.speculation": "true",
                "spark.speculation.interval": "100ms",
                "spark.speculation.task.duration.threshold": "1s",
                "spark.eventLog.enabled": "true",
                "spark.eventLog.compress": "false",
                "spark.eventLog.dir": events.as_uri(),
            },
        )
        # one training at a time leaves an executor free for its copy
        words = [*STUDY[:-1], "1", "--modules", "se", "--on", "spark://localhost:7077"]
        words = [w for i, w in enumerate(words) if w != "none,se" and words[i : i + 2] != ["--modules", "none,se"]]
        process = start(words, out, speculation)
        ended(process, out)
        text = "".join(f.read_text() for f in events.rglob("*") if f.is_file() and "events" in f.name)
        copies = len(re.findall(r'"SparkListenerTaskStart"[^\n]*"Speculative":true', text))
        got = results(out)
        assert all(got[file] == expected["compare"][file] for file in got), "speculation changed a result"
        report["compare with speculation"] = {
            "trainings": len(got),
            "speculative_copies": copies,
            "same_bits": True,
        }
        print("speculation", report["compare with speculation"], flush=True)
    finally:
        for server in servers:
            server.terminate()
            server.wait()

    whole = json.loads(arguments.result.read_text()) if arguments.result.exists() else {}
    before = whole.get("studies", {}) if arguments.only_standalone else {}
    whole["studies"] = {**before, "commands": [" ".join(STUDY), " ".join(SEARCH)], **report}
    arguments.result.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
