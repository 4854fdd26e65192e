"""Measures the scGPT agent on a real server, with a model of the published size and the 559 sample cells:

  memo      the same request twice, to workers in two processes that share a folder of stored results; beside it the
            memory that was estimated and what the first worker took
  workers   one analysis by one worker of one thread, and by two

usage: python3 bench/agent/run.py memo|workers [--max-length N]

Run it from the root of a clone, with the machine otherwise idle. The memo part takes some minutes on two cores. Needs
nothing but Go and Python's own library. --max-length shortens the cells, and with them the time.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CELLS = ROOT / "testdata/cells/celltypist_sample.h5ad"


class Stage:
    """A folder with the program, the model and the cells, and a server."""

    def __init__(self, work):
        self.work = Path(work)
        self.program = self.work / "scgpt"
        subprocess.run(["go", "build", "-o", self.program, "./examples/scgpt"], cwd=ROOT, check=True)
        subprocess.run(["go", "run", "./bench/fullmodel", self.work / "models/full"], cwd=ROOT, check=True)
        shutil.copy(CELLS, self.work / "cells.h5ad")
        self.children = []
        server = self.spawn("server", "--port", "17233", "--ui-port", "0")
        self.address = re.search(r"at (\S+?),", server.stdout.readline().decode()).group(1)

    def spawn(self, *args, **kwargs):
        child = subprocess.Popen([self.program, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
        self.children.append(child)
        return child

    def worker(self, *args):
        child = self.spawn(
            "worker", "--agents", "scgpt", "--address", self.address, "--models", self.work / "models", "--roots", self.work, *args
        )
        line = child.stderr.readline().decode()
        if "ready" not in line:
            raise RuntimeError(line + child.stderr.read().decode())
        return child

    def stop(self, child):
        child.send_signal(signal.SIGTERM)
        child.wait(60)
        self.children.remove(child)

    def call(self, *args):
        done = subprocess.run([self.program, *map(str, args), "--address", self.address, "--json"], stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    def analysis(self, out, *args):
        """Runs an analysis and returns its result and the seconds it took, as its caller sees it."""
        begun = time.monotonic()
        started = self.call("start", "--data", self.work / "cells.h5ad", "--out", self.work / out, "--no-report", *args)
        result = self.call("result", started["workflow_id"], "--wait")
        took = time.monotonic() - begun
        self.estimate = self.call("status", started["workflow_id"])["progress"]["estimate"]
        return result["result"], took

    def close(self):
        for child in self.children:
            child.kill()
            child.wait()


def memo(stage, args):
    seconds, outputs = [], []
    for out in ("first.h5ad", "second.h5ad"):
        worker = stage.worker("--memo-dir", stage.work / "memo")
        result, took = stage.analysis(out, *args)
        if not seconds:
            memory = {"estimated_gb": stage.estimate["memory_bytes"] / 1e9, "peak_gb": peak(worker) / 1e9}
        stage.stop(worker)
        assert result["metadata"]["from_memo"] == (out == "second.h5ad"), result["metadata"]
        seconds.append(took)
        outputs.append((stage.work / out).read_bytes())
    assert outputs[0] == outputs[1]
    return {"first_s": seconds[0], "second_s": seconds[1], "ratio": seconds[1] / seconds[0], **memory}


def peak(process):
    """The largest resident memory of a running process in bytes; 0 where /proc does not tell."""
    status = Path(f"/proc/{process.pid}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found.group(1)) * 1024 if found else 0


def workers(stage, args):
    # Shards such that both workers have some to the end.
    args = ["--no-memo", "--shard-cells", "20", *args]
    first = stage.worker("--threads", "1")
    one, one_s = stage.analysis("one.h5ad", *args)
    second = stage.worker("--threads", "1")
    two, two_s = stage.analysis("two.h5ad", *args)
    for worker in (first, second):
        stage.stop(worker)
    assert (stage.work / "one.h5ad").read_bytes() == (stage.work / "two.h5ad").read_bytes()
    return {"one_worker_s": one_s, "two_workers_s": two_s, "ratio": two_s / one_s, "shards": two["metadata"]["shards"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memo", "workers"])
    parser.add_argument("--max-length", type=int, help="tokens of a cell (default: all, 1115 on average)")
    parsed = parser.parse_args()
    args = ["--max-length", str(parsed.max_length)] if parsed.max_length else []
    with tempfile.TemporaryDirectory() as work:
        stage = Stage(work)
        try:
            figures = {"memo": memo, "workers": workers}[parsed.what](stage, args)
        finally:
            stage.close()
    print(json.dumps({"what": parsed.what, "cells": 559, "cores": os.cpu_count(), **figures}, indent=1))


if __name__ == "__main__":
    main()
