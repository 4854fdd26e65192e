"""Cell embeddings with PyTorch on an NVIDIA GPU: what the CUDA device is measured against.

usage: bench_torch.py [--precision fp32,tf32,bf16] [--length 300,768,1200] [--cells-lengths FILE]
                          [--batch 16,64,256] [--seconds S] [--eager]

The full-size model (12 layers of 512, 8 heads, vocabulary of 60,697) with random weights, as in scGPT_human; embedding of <cls>
after the last layer. Layers go through torch.compile (--eager: not), attention through scaled_dot_product_attention, bf16
weights and activations in bf16. Inputs lie on the GPU already, results stay there: only the forward pass is timed, with events.

--length: cells of one length, without padding. --cells-lengths: a JSON list of token counts of real cells; they are sorted by
length and padded per batch (mask), as torch users do it, and, for bf16 where this torch has varlen_attn, packed without padding
too. For each case every batch size is tried; the best is printed as one JSON line, with all tries beside it.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F

D, HEADS, LAYERS, VOCAB = 512, 8, 12, 60697

p = argparse.ArgumentParser()
p.add_argument("--precision", default="fp32,tf32,bf16")
p.add_argument("--length", default="300,768,1200")
p.add_argument("--cells-lengths")
p.add_argument("--batch", default="16,64,256")
p.add_argument("--seconds", type=float, default=1.0, help="of repeated passes per try")
p.add_argument("--eager", action="store_true")
p.add_argument("--device", default="cuda")
o = p.parse_args()

cuda = o.device.startswith("cuda")
try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:
    varlen_attn = None


def weights(dtype):
    gen = torch.Generator(device="cpu").manual_seed(0)

    def rand(*shape, scale):
        return (torch.randn(*shape, generator=gen) * scale).to(o.device, dtype)

    def linear(out, inputs):
        return rand(out, inputs, scale=inputs**-0.5), rand(out, scale=0.02)

    def norm():
        return (1 + rand(D, scale=0.1)).contiguous(), rand(D, scale=0.1)

    layers = [(*linear(3 * D, D), *linear(D, D), *norm(), *linear(D, D), *linear(D, D), *norm()) for _ in range(LAYERS)]
    return dict(table=rand(VOCAB, D, scale=0.5), norm=norm(), value1=linear(D, 1), value2=linear(D, D), value_norm=norm(), layers=layers)


def embed(ids, values, w):
    h = F.layer_norm(F.embedding(ids, w["table"]), (D,), *w["norm"])
    v = F.relu(F.linear(values.clamp(max=512).unsqueeze(-1), *w["value1"]))
    return h + F.layer_norm(F.linear(v, *w["value2"]), (D,), *w["value_norm"])


def feed_forward(h, s, wo, bo, g1, b1, w1, c1, w2, c2, g2, b2):
    h = F.layer_norm(h + F.linear(s, wo, bo), (D,), g1, b1)
    return F.layer_norm(h + F.linear(F.relu(F.linear(h, w1, c1)), w2, c2), (D,), g2, b2)


def padded_layer(h, mask, wi, bi, *rest):
    b, t, _ = h.shape
    q, k, v = F.linear(h, wi, bi).view(b, t, 3, HEADS, D // HEADS).permute(2, 0, 3, 1, 4)
    s = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(b, t, D)
    return feed_forward(h, s, *rest)


def packed_layer(h, offsets, longest, wi, bi, *rest):
    q, k, v = F.linear(h, wi, bi).view(-1, 3, HEADS, D // HEADS).unbind(1)
    s = varlen_attn(q, k, v, offsets, offsets, longest, longest).reshape(-1, D)
    return feed_forward(h, s, *rest)


if not o.eager:
    embed = torch.compile(embed, dynamic=True)
    padded_layer = torch.compile(padded_layer, dynamic=True)
    packed_layer = torch.compile(packed_layer, dynamic=True)


def padded(batches, w):
    for ids, values, mask in batches:
        h = embed(ids, values, w)
        for layer in w["layers"]:
            h = padded_layer(h, mask, *layer)
        yield h[:, 0]


def packed(batches, w):
    for ids, values, offsets, longest in batches:
        h = embed(ids, values, w)
        for layer in w["layers"]:
            h = packed_layer(h, offsets, longest, *layer)
        yield h[offsets[:-1].long()]


def tokens(n, dtype):
    ids = torch.randint(0, VOCAB - 3, (n,), device=o.device)
    return ids, torch.randint(1, 51, (n,), device=o.device).to(dtype)


def padded_batches(lengths, size, dtype):
    lengths = sorted(lengths, reverse=True)
    for at in range(0, len(lengths), size):
        part = lengths[at : at + size]
        ids, values = tokens(len(part) * part[0], dtype)
        mask = None
        if part[-1] < part[0]:
            mask = (torch.arange(part[0], device=o.device)[None] < torch.tensor(part, device=o.device)[:, None])[:, None, None]
        yield ids.view(len(part), -1), values.view(len(part), -1), mask


def packed_batches(lengths, size, dtype):
    for at in range(0, len(lengths), size):
        part = lengths[at : at + size]
        ids, values = tokens(sum(part), dtype)
        ends = torch.tensor([0] + part, device=o.device).cumsum(0).int()
        yield ids, values, ends, max(part)


def sync():
    if cuda:
        torch.cuda.synchronize()


def best_seconds(run):
    """The fastest of repeated passes over all batches."""
    for _ in range(2):
        for _ in run():
            pass
    sync()
    best, until = float("inf"), time.perf_counter() + o.seconds
    while time.perf_counter() < until:
        sync()
        began = time.perf_counter()
        for _ in run():
            pass
        sync()
        best = min(best, time.perf_counter() - began)
    return best


def measure(case, lengths, precision, way, make, forward, w, dtype):
    tries = {}
    for size in map(int, o.batch.split(",")):
        try:
            batches = list(make(lengths, size, dtype))
            tries[size] = round(len(lengths) / best_seconds(lambda: forward(batches, w)), 1)
        except torch.OutOfMemoryError:
            tries[size] = None
        batches = None
        if cuda:
            torch.cuda.empty_cache()
    batch, speed = max(tries.items(), key=lambda t: t[1] or 0)
    print(json.dumps(dict(program="torch", case=case, precision=precision, way=way, cells=len(lengths), tokens=sum(lengths), cells_per_s=speed, batch=batch,
                          tries=tries, compiled=not o.eager, torch=torch.__version__, device=torch.cuda.get_device_name() if cuda else "cpu")), flush=True)


cases = {f"T={t}": [int(t)] * (256 if cuda else 4) for t in o.length.split(",") if t}
if o.cells_lengths:
    cases["cells"] = json.load(open(o.cells_lengths))
with torch.inference_mode():
    for precision in o.precision.split(","):
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        w = weights(dtype)
        for case, lengths in cases.items():
            measure(case, lengths, precision, "padded", padded_batches, padded, w, dtype)
            if case == "cells" and varlen_attn and precision == "bf16":
                try:
                    measure(case, lengths, precision, "packed", packed_batches, packed, w, dtype)
                except Exception as e:  # torch's varlen attention is young: a failure must not lose the other figures
                    print(json.dumps(dict(program="torch", case=case, precision=precision, way="packed", error=str(e)[:300])), flush=True)
