"""Measures `scgpt embed` beside PyTorch: loading, cells per second, memory, and how far the numbers differ.

usage: embed.py [--dir DIR] [--model FOLDER] [--data FILE.h5ad] [--cells N] [--rounds N] [--batch N,N,…]

Needs go, and a Python with the packages of cpu/requirements.txt. The first call makes a full-size model and a cut of
the data in DIR; with --rounds 0 it does nothing more. Every round runs each variant once, in turn, and the
fastest round counts, so that what else runs on the machine disturbs all of them alike. Seconds of ours hold reading and
tokenising, those of PyTorch the forward passes alone. cpu/run.py measures the same without the program around it.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent


def call(*command):
    done = subprocess.run([str(c) for c in command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout


def prepare(o):
    """Makes what is not there yet: the model twice, the cells, the program."""
    o.dir.mkdir(parents=True, exist_ok=True)
    pt = o.model or o.dir / "full"
    if o.model is None and not (pt / "args.json").exists():
        call(sys.executable, BENCH / "cpu/make_checkpoint.py", pt)
    program = o.dir / "scgpt"
    call("go", "build", "-o", program, "./examples/scgpt")
    st = o.dir / (pt.name + "-safetensors")
    if not st.exists():
        call(program, "model", "convert", pt, st, "--json")
    data = o.dir / f"{o.data.stem}-{o.cells}.h5ad"
    if not data.exists():
        anndata.read_h5ad(o.data)[:o.cells].copy().write_h5ad(data)
    return program, pt, st, data


def ours(program, model, data, out):
    return call(program, "embed", "--model", model, "--data", data, "--out", out, "--cap", "first", "--json")


def theirs(model, data, batch, out):
    r = call(sys.executable, BENCH / "cpu/torch_embed.py", model, data, "--batch", batch, "--sort", "--out", out)
    return {**r, "peak_rss_mb": 1024 * r["peak_rss_gb"]}


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, default=ROOT / "out/bench")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", type=Path, default=ROOT / "testdata/cells/celltypist_sample.h5ad")
    parser.add_argument("--cells", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", default="4,16")
    o = parser.parse_args()
    program, pt, st, data = prepare(o)
    if o.rounds == 0:
        return

    variants = {
        "troupe, best_model.pt": lambda: ours(program, pt, data, o.dir / "ours.h5ad"),
        "troupe, model.safetensors": lambda: ours(program, st, data, o.dir / "ours.h5ad"),
    }
    for batch in o.batch.split(","):
        variants[f"torch, batches of {batch}"] = lambda batch=batch: theirs(pt, data, batch, o.dir / "theirs.npy")
    results = {name: [] for name in variants}
    for _ in range(o.rounds):
        for name, run in variants.items():
            results[name].append(run())

    first = results["troupe, best_model.pt"][0]
    print(f"{processor()}, {os.cpu_count()} processors, {datetime.date.today()}")
    print(f"{first['cells']} cells, {first['tokens']} tokens, {first['device']}, {o.rounds} rounds\n")
    best = max(r["cells_per_s"] for name, runs in results.items() if name.startswith("torch") for r in runs)
    print("| variant | load s | cells/s | of torch's best | peak RSS, MB |")
    print("|---|---|---|---|---|")
    for name, runs in results.items():
        speed = max(r["cells_per_s"] for r in runs)
        load = "" if name.startswith("torch") else f"{min(r['load_seconds'] for r in runs):.3f}"
        print(f"| {name} | {load} | {speed:.2f} | {speed / best:.2f} | {max(r['peak_rss_mb'] for r in runs):.0f} |")
    got = anndata.read_h5ad(o.dir / "ours.h5ad").obsm["X_scGPT"]
    want = np.load(o.dir / "theirs.npy")
    size = sum(f.stat().st_size for f in pt.iterdir() if f.suffix in (".pt", ".safetensors"))
    print(f"\nLargest difference of an embedding's value: {np.abs(got - want).max():.1e}. "
          f"The weights' file has {size / 1e6:.0f} MB.")


if __name__ == "__main__":
    main()
