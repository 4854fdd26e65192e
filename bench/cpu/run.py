"""Measure the library on this machine's CPU beside PyTorch, faiss and h5py, and print the tables.

usage: run.py WORK_DIR [PART...]     parts: peak fixed embed thread knn read growth share (default: all)

WORK_DIR receives the model, the files and the built program. Runs of both sides are interleaved and the fastest of
each counts. Wall-clock seconds are what counts; processor seconds stand beside them, since they change less when
something else runs on the machine (part thread: with one thread each, so that nothing waits in a loop). CELLS and
ROUNDS in the environment make it shorter. Needs the packages of requirements.txt and Go.
"""
import glob, json, os, platform, re, shutil, subprocess, sys, time

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
work = os.path.abspath(sys.argv[1])
parts = sys.argv[2:] or ["peak", "fixed", "embed", "thread", "knn", "read", "growth", "share"]
ROUNDS = int(os.environ.get("ROUNDS", "2"))
CELLS = os.environ.get("CELLS", "48")
os.makedirs(work, exist_ok=True)
program, model = os.path.join(work, "cpu"), os.path.join(work, "full")
cells = os.path.join(root, "testdata/cells/celltypist_sample.h5ad")
environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}


def run(*command):
    out = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, cwd=root, env=environment).stdout
    print("  ", *[os.path.basename(str(c)) for c in command], file=sys.stderr)
    return out


def ours(*arguments):
    return json.loads(run(program, *arguments))


def theirs(script, *arguments):
    return [json.loads(line) for line in run(sys.executable, os.path.join(here, script), *arguments).splitlines()]


def row(*columns):
    print("| " + " | ".join(str(c) for c in columns) + " |", flush=True)


def head(title, *columns):
    print(f"\n{title}\n")
    row(*columns)
    row(*["---"] * len(columns))


def best(old, new, key="seconds"):
    return new if old is None or new[key] < old[key] else old


subprocess.run(["go", "build", "-o", program, "./bench/cpu"], check=True, cwd=root)
if not os.path.exists(os.path.join(model, "args.json")):
    run(sys.executable, os.path.join(here, "make_checkpoint.py"), model)
name = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.processor()) if os.path.exists("/proc/cpuinfo") else platform.processor()
load = os.getloadavg()[0]
print(f"{time.strftime('%Y-%m-%d')}, {name}, {os.cpu_count()} processors, load average before: {load:.1f}")

peaks = {}
if "peak" in parts or "fixed" in parts:
    out = run("go", "test", "-run", "^$", "-bench", "Peak", "-benchtime", "50ms", "-count", "8", "./scgpt/internal/kernel/peak")
    for kind, threads, cpu, rate in re.findall(r"BenchmarkPeak/(\w+)/threads=(\d)\S*\s+\d+\s+\S+ ns/op\s+(\S+) GF/s\s+(\S+) cpu-GF/s", out):
        for key, value in (((kind, threads), cpu), ((kind, "cpu"), rate)):
            peaks[key] = max(peaks.get(key, 0), float(value))
    head("Most that a loop of multiply-adds does, GF/s", "instructions", "1 thread", "2 threads", "per second of processor time")
    for kind in dict.fromkeys(k for k, _ in peaks):
        row(kind, *(f"{peaks[kind, t]:.0f}" for t in ("1", "2", "cpu")))

modes = [("cpu", "fp32"), ("cpu:avx2", "fp32"), ("cpu", "bf16"), ("cpu:avx512bf16", "bf16x3")]
if "fixed" in parts:
    head("Full-size model, cells of one length, 2 threads", "class", "tokens", "cells/s", "GF/s", "of the fp32 peak", "GF/s per second of processor time", "of the fp32 peak")
    for device, precision in modes:
        for r in ours("fixed", "--model", model, "--device", device, "--precision", precision, "--threads", 2, "--repeat", 2 * ROUNDS):
            cpu = r["gflops"] * r["cells"] / r["cells_per_s"] / r["cpu_seconds"]
            row(r["class"], r["tokens"], f"{r['cells_per_s']:.2f}", f"{r['gflops']:.0f}", f"{r['gflops'] / peaks['avx512', '2']:.0%}",
                f"{cpu:.0f}", f"{cpu / peaks['avx512', 'cpu']:.0%}")

if "thread" in parts:
    mine, other = {}, {}
    few = min(int(CELLS), 8)
    for _ in range(ROUNDS):
        for mode in modes:
            r = ours("embed", "--model", model, "--data", cells, "--cells", few, "--device", mode[0], "--precision", mode[1], "--threads", 1)
            mine[mode] = best(mine.get(mode), r, "cpu_seconds")
        for batch, low in ((1, False), (8, False), (1, True), (8, True)):
            flags = ["--batch", batch, "--threads", 1, "--sort"] + ["--bf16"] * low
            r = theirs("torch_embed.py", model, cells, "--cells", few, *flags)[0]
            other[batch, low] = best(other.get((batch, low)), r, "cpu_seconds")
    fp32, bf16 = (min(r["cpu_seconds"] for (_, low), r in other.items() if low == which) for which in (False, True))
    head(f"celltypist sample, first {few} cells, one thread", "program", "processor seconds per cell", "over torch's best fp32", "over torch's best bf16")
    for r in mine.values():
        row(r["class"], f"{r['cpu_seconds'] / few:.3f}", f"{fp32 / r['cpu_seconds']:.2f}", f"{bf16 / r['cpu_seconds']:.2f}")
    for (batch, low), r in other.items():
        row(f"torch {r['torch']} {'bf16' if low else 'fp32'}, batch {batch}, sorted", f"{r['cpu_seconds'] / few:.3f}", "", "")

if "embed" in parts:
    torch_runs = [(b, s, False) for b in (1, 8, 16, 64) for s in ((False, True) if b > 1 else (False,))] + [(1, False, True), (8, True, True)]
    mine, other = {}, {}
    for round in range(ROUNDS):
        for mode in modes:
            mine[mode] = best(mine.get(mode), ours("embed", "--model", model, "--data", cells, "--cells", CELLS, "--device", mode[0], "--precision", mode[1]))
        for t in torch_runs:
            if round > 0 and t[0] > 8:
                continue  # never the best; once is enough
            flags = ["--batch", t[0]] + ["--sort"] * t[1] + ["--bf16"] * t[2]
            other[t] = best(other.get(t), theirs("torch_embed.py", model, cells, "--cells", CELLS, *flags)[0])
    fp32 = min((r for t, r in other.items() if not t[2]), key=lambda r: r["seconds"])
    bf16 = min((r for t, r in other.items() if t[2]), key=lambda r: r["seconds"])
    head(f"celltypist sample, first {CELLS} cells, at most 1,200 tokens, full-size model", "program", "cells/s", "over torch's best fp32", "over torch's best bf16")
    for (device, precision), r in mine.items():
        row(r["class"], f"{r['cells_per_s']:.2f}", f"{r['cells_per_s'] / fp32['cells_per_s']:.2f}", f"{r['cells_per_s'] / bf16['cells_per_s']:.2f}")
    for (b, s, low), r in other.items():
        row(f"torch {r['torch']} {'bf16' if low else 'fp32'}, batch {b}{', sorted' if s else ''}", f"{r['cells_per_s']:.2f}", "", "")

if "knn" in parts:
    a = b = None
    for _ in range(ROUNDS):
        a = best(a, ours("knn", "--repeat", 1))
        b = best(b, theirs("faiss_knn.py", a["queries"], a["refs"], a["cols"], a["k"], 1)[0])
    head(f"k = {a['k']} of {a['refs']} references for {a['queries']} queries, {a['cols']} columns", "program", "seconds", "processor seconds")
    row("neighbors.Search", f"{a['seconds']:.2f}", f"{a['cpu_seconds']:.2f}")
    row(f"faiss {b['faiss']} IndexFlatL2", f"{b['seconds']:.2f}", f"{b['cpu_seconds']:.2f}")
    row("ratio", f"{b['seconds'] / a['seconds']:.2f}", f"{b['cpu_seconds'] / a['cpu_seconds']:.2f}")

if "read" in parts:
    folder = os.path.join(work, "h5ad")
    if not os.path.exists(folder):
        run(sys.executable, os.path.join(here, "make_h5ad.py"), folder)
    files = sorted(glob.glob(os.path.join(folder, "csr_*.h5ad")))
    mine, other = {}, {}
    for _ in range(3 * ROUNDS):
        for r in ours("read", "--repeat", 2, *files):
            mine[r["file"]] = best(mine.get(r["file"]), r)
        for r in theirs("h5py_read.py", 2, *files):
            other[r["file"], r["how"]] = best(other.get((r["file"], r["how"])), r)
    head("X of 50,000 × 2,000, CSR, in blocks of 256 rows", "file", "seconds", "h5py, blocks", "h5py, whole", "ratio to h5py's best", "processor seconds", "h5py's")
    for f, r in mine.items():
        blocks, whole = other[f, "blocks"], other[f, "whole"]
        row(os.path.basename(f), f"{r['seconds']:.3f}", f"{blocks['seconds']:.3f}", f"{whole['seconds']:.3f}",
            f"{min(blocks['seconds'], whole['seconds']) / r['seconds']:.2f}", f"{r['cpu_seconds']:.3f}", f"{min(blocks['cpu_seconds'], whole['cpu_seconds']):.3f}")

if "growth" in parts:
    head("Time and memory as files grow: celltypist sample repeated, small sample model, at most 256 tokens of a cell, 512 cells at a time", "cells", "µs per cell", "processor µs per cell", "peak RSS, MB")
    for times in (1, 10, 100):
        path = os.path.join(work, f"repeated_{times}.h5ad")
        if not os.path.exists(path):
            run(sys.executable, os.path.join(here, "make_repeated.py"), cells, path, times)
        r = None
        for _ in range(ROUNDS):
            r = best(r, ours("embed", "--model", os.path.join(root, "testdata/models/tiny_scgpt"), "--data", path, "--slice", 512, "--max-length", 256, "--repeat", 5 if times == 1 else 1))
        row(r["cells"], f"{r['seconds'] / r['cells'] * 1e6:.0f}", f"{r['cpu_seconds'] / r['cells'] * 1e6:.0f}", f"{r['peak_rss_mb']:.0f}")
def memory(process):
    """Pss and private memory of a process in MB."""
    sizes = dict(re.findall(r"^(\w+): +(\d+) kB", open(f"/proc/{process.pid}/smaps_rollup").read(), re.M))
    return int(sizes["Pss"]) / 1024, (int(sizes["Private_Clean"]) + int(sizes["Private_Dirty"])) / 1024


if "share" in parts:
    head("Three processes with the full-size model at work, one thread each (Linux)", "weights", "seconds to load", "MB in all", "MB of a process alone")
    layouts = os.path.join(work, "layouts")
    shutil.rmtree(layouts, ignore_errors=True)
    for name, flags in (("each its own", []), ("laid out and shared, the first time", ["--layouts", layouts]), ("shared", ["--layouts", layouts])):
        load = ours("embed", "--model", model, "--data", cells, "--cells", 1, "--threads", 1, *flags)["load_seconds"]
        if "first" in name:
            row(name, f"{load:.2f}", "", "")
            continue
        command = [program, "embed", "--model", model, "--data", cells, "--cells", "2", "--repeat", "1000", "--threads", "1", *flags]
        processes = [subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.DEVNULL) for _ in range(3)]
        try:
            time.sleep(20)  # they are at work then
            sizes = [memory(p) for p in processes]
        finally:
            for p in processes:
                p.kill()
                p.wait()
        row(name, f"{load:.2f}", f"{sum(pss for pss, _ in sizes):.0f}", f"{max(private for _, private in sizes):.0f}")
print(f"\nload average after: {os.getloadavg()[0]:.1f}")
