"""The tables of bench/gpu.md, from what measure.sh left in a folder.

usage: table.py OUT
"""
import json
import os
import re
import sys

out = sys.argv[1]


def lines(name):
    path = os.path.join(out, name)
    if not os.path.exists(path):
        return []
    return [json.loads(line) for line in open(path) if line.startswith("{")]


def case(tokens):
    return tokens if tokens.isdigit() else "cells"


ours, torch, machine = {}, {}, {}
for d in lines("speed.txt"):
    precision = d["class"].rsplit("/", 1)[1]
    if d["measurement"] == "open":
        machine = d
    else:
        ours[precision, case(d["tokens"])] = d
for d in lines("torch.txt"):
    key = d["precision"], case(d["case"].removeprefix("T="))
    if key not in torch or torch[key]["cells_per_s"] < d["cells_per_s"]:
        torch[key] = d

if machine:
    torches = {d["torch"] for d in torch.values()}
    print(f"{machine['device']}, {machine['driver']}, {machine['runtime']}" + (f", PyTorch {', '.join(torches)}" if torches else "") + "\n")
if ours:
    print("| precision | tokens of a cell | Troupe, cells/s | PyTorch, cells/s | ratio | TFLOP/s |")
    print("|---|---|---|---|---|---|")
    for (precision, tokens), d in ours.items():
        t = torch.get((precision, tokens))
        theirs, ratio = (f"{t['cells_per_s']:,.0f}", f"{d['cells_per_s'] / t['cells_per_s']:.2f}") if t else ("not measured", "")
        print(f"| {precision} | {tokens} | {d['cells_per_s']:,.0f} | {theirs} | {ratio} | {d['tflops']:.0f} |")
    print("\nTime on the GPU, milliseconds a batch, at the longest fixed length:\n")
    for precision in dict.fromkeys(p for p, _ in ours):
        tokens = max((t for p, t in ours if p == precision and t.isdigit()), key=int)
        ops = {op: float(re.search(r"([\d.]+) ms", text)[1]) for op, text in ours[precision, tokens]["ops_ms"].items()}
        print(f"- {precision}, {tokens} tokens: " + ", ".join(f"{op} {ms:.1f}" for op, ms in sorted(ops.items(), key=lambda x: -x[1])))
files = lines("file.txt")
best = {}
for d in files:
    if d["measurement"] == "file" and (d["class"] not in best or d["seconds"] < best[d["class"]]["seconds"]):
        best[d["class"]] = d
if best:
    print("\n| class | cells of the file | cells/s | idle share of the GPU | ms of that before the first operation, between operations, longer waits, after the last |")
    print("|---|---|---|---|---|")
    for name, d in best.items():
        idle = ", ".join(f"{d['idle_ms'][part]:.1f}" for part in ("before", "launches", "waits", "after"))
        print(f"| {name} | {d['cells']:,} | {d['cells_per_s']:,.0f} | {100 * d['gpu_idle_share']:.1f} % | {idle} |")
summary = os.path.join(out, "summary.txt")
if os.path.exists(summary):
    print("\n```\n" + open(summary).read() + "```")
