"""Runs the program on every damaged file of testdata and shows what it says, how long it takes and how much memory.

usage: check_bad.py SCGPT, the program built from examples/scgpt

Each must end within 2 s and 200 MB, with one line that names the file. (bad_btree_cycle.h5ad is sound but for pointers
that nothing needs: it opens.)
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOUND = {"bad_btree_cycle.h5ad"}


def run(*args):
    """Exit code, last line on stderr, seconds and peak RSS in MB."""
    start = time.perf_counter()
    child = subprocess.Popen([str(a) for a in args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = child.stderr.read().strip()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, said, time.perf_counter() - start, usage.ru_maxrss * 1024 / 1e6


def main(program):
    program = Path(program).resolve()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted((ROOT / "testdata/h5ad").glob("bad_*.h5ad")):
            for command in (["data", "describe", path],
                            ["embed", "--data", path, "--out", f"{folder}/out.h5ad", "--min-gene-share", "0"]):
                code, said, seconds, mb = run(program, *command)
                # describe reads no indices.
                sound = path.name in SOUND or path.name == "bad_indices.h5ad" and command[0] == "data"
                right = (code == 0) if sound else (code == 1 and path.name in said and "\n" not in said)
                right = right and seconds <= 2 and mb <= 200
                failed |= not right
                print(f"{'ok   ' if right else 'WRONG'} {seconds:.2f} s {mb:4.0f} MB  {command[0]:5} {path.name}: "
                      f"{said.replace(str(path), '…') or 'sound'}")
    sys.exit(failed)


if __name__ == "__main__":
    main(*sys.argv[1:])
