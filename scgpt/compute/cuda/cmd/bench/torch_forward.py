"""The same forward pass in PyTorch on the same GPU: the opponent of bench.

usage: torch_forward.py [--precisions fp32,tf32,bf16] [--lengths 300,768,1200] [--lengths-file FILE] [--seconds 2]
                        [--batch-tokens 16384,32768,65536,131072] [--no-compile]

The full-size scGPT (12 layers, 512 wide, 8 heads) with random weights, compiled by torch.compile, attention by
scaled_dot_product_attention. In bf16 the whole model is bfloat16. Cells of one length are batches without padding;
those of --lengths-file (a JSON list) are sorted by length and padded within a batch, with a mask where there is
padding. Every batch size is tried and the fastest is printed, one JSON object a line.
"""
import argparse, json, sys, time
import torch
import torch.nn.functional as F

a = argparse.ArgumentParser()
a.add_argument("--precisions", default="fp32,tf32,bf16")
a.add_argument("--lengths", default="300,768,1200")
a.add_argument("--lengths-file")
a.add_argument("--seconds", type=float, default=2)
a.add_argument("--batch-tokens", default="16384,32768,65536,131072")
a.add_argument("--no-compile", action="store_true")
o = a.parse_args()
V, d, H, hid, nl = 60697, 512, 8, 512, 12
device = torch.device("cuda")
torch.manual_seed(0)


def weights(dtype):
    def t(*shape, scale=1.0):
        return (torch.randn(*shape, device=device) * scale).to(dtype)

    s = d ** -0.5
    w = dict(E=t(V, d), eg=t(d), eb=t(d), v1=t(d, 1), v1b=t(d), v2=t(d, d, scale=s), v2b=t(d), vg=t(d), vb=t(d))
    w["layers"] = [
        (t(3 * d, d, scale=s), t(3 * d), t(d, d, scale=s), t(d), t(d), t(d), t(hid, d, scale=s), t(hid), t(d, hid, scale=s), t(d), t(d), t(d))
        for _ in range(nl)
    ]
    return w


def forward(w, ids, v, mask):
    h = F.layer_norm(F.embedding(ids, w["E"]), (d,), w["eg"], w["eb"])
    x = F.relu(F.linear(torch.clamp(v.unsqueeze(-1), max=512), w["v1"], w["v1b"]))
    h = h + F.layer_norm(F.linear(x, w["v2"], w["v2b"]), (d,), w["vg"], w["vb"])
    B, T, _ = h.shape
    for wi, bi, wo, bo, g1, b1, w1, c1, w2, c2, g2, b2 in w["layers"]:
        q, k, vv = F.linear(h, wi, bi).view(B, T, 3, H, d // H).permute(2, 0, 3, 1, 4)
        s = F.scaled_dot_product_attention(q, k, vv, attn_mask=mask).transpose(1, 2).reshape(B, T, d)
        h = F.layer_norm(h + F.linear(s, wo, bo), (d,), g1, b1)
        h = F.layer_norm(h + F.linear(F.relu(F.linear(h, w1, c1)), w2, c2), (d,), g2, b2)
    return h[:, 0, :]


def batches(lengths, tokens, dtype):
    """Padded batches of about that many tokens, longest cells first."""
    out, rest = [], sorted(lengths, reverse=True)
    while rest:
        T = rest[0]
        n = max(1, min(len(rest), tokens // T))
        part, rest = rest[:n], rest[n:]
        ids = torch.randint(0, V, (n, T)).pin_memory()
        v = torch.randint(1, 51, (n, T)).to(dtype).pin_memory()
        mask = None
        if part[-1] != T:
            mask = (torch.arange(T)[None, :] < torch.tensor(part)[:, None])[:, None, None, :].pin_memory()
        out.append((ids, v, mask))
    return out


def measure(w, run, work, cells):
    def once():
        for ids, v, mask in work:
            m = None if mask is None else mask.to(device, non_blocking=True)
            run(w, ids.to(device, non_blocking=True), v.to(device, non_blocking=True), m).float().cpu()

    for _ in range(3):
        once()
    torch.cuda.synchronize()
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < o.seconds:
        once()
        n += 1
    torch.cuda.synchronize()
    return n * cells / (time.perf_counter() - start)


def flops(lengths):
    return sum(nl * (L * (8 * d * d + 4 * d * hid) + 4 * L * L * d) for L in lengths)


cases = [(n, None) for n in o.lengths.split(",") if n]
if o.lengths_file:
    cases.append(("file", json.load(open(o.lengths_file))))
with torch.inference_mode():
    for precision in o.precisions.split(","):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        w = weights(dtype)
        for name, lengths in cases:
            best = None
            for tokens in map(int, o.batch_tokens.split(",")):
                torch._dynamo.reset()
                run = forward if o.no_compile else torch.compile(forward, dynamic=lengths is not None)
                cells = lengths or [int(name)] * max(1, tokens // int(name))
                try:
                    rate = measure(w, run, batches(cells, tokens, dtype), len(cells))
                except torch.cuda.OutOfMemoryError:
                    torch.cuda.empty_cache()
                    continue
                print(f"{precision} {name} {tokens}: {rate:.1f} cells/s", file=sys.stderr, flush=True)
                if best is None or rate > best["cells_per_s"]:
                    best = dict(
                        measurement="torch", precision=precision, tokens=name, batch_tokens=tokens, cells_per_s=rate, compiled=not o.no_compile,
                        tflops=rate * flops(cells) / len(cells) / 1e12, torch=torch.__version__, device=torch.cuda.get_device_name(),
                    )
            print(json.dumps(best), flush=True)
        del w
        torch.cuda.empty_cache()
