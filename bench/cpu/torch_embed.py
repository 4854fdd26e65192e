"""Cell embeddings with PyTorch on the CPU: the speed and accuracy opponent of the Go engine.

usage: torch_embed.py MODEL_DIR DATA.h5ad [--max-length N] [--batch B] [--bf16] [--cells N] [--threads T]
                      [--sort] [--out EMB.npy] [--ties left|mid]
Follows the zero-shot path of upstream without its randomness: ties are binned by rule, longer cells keep their first
genes. Padded batches as upstream makes them; --sort orders cells by length first, which upstream does not.
Attention runs through torch's scaled_dot_product_attention, the fastest of torch's CPU paths at these sizes.
Prints one JSON line: cells, tokens, seconds of the forward passes and processor seconds of them, cells/s, peak RSS in GB.
"""
import argparse, json, os, resource, sys, time
import anndata, numpy as np, scipy.sparse as sp, torch
import torch.nn.functional as F

a = argparse.ArgumentParser()
a.add_argument("model"); a.add_argument("data"); a.add_argument("--max-length", type=int, default=1200)
a.add_argument("--batch", type=int, default=64); a.add_argument("--bf16", action="store_true"); a.add_argument("--sort", action="store_true")
a.add_argument("--cells", type=int, default=0); a.add_argument("--threads", type=int, default=0); a.add_argument("--out"); a.add_argument("--ties", default="mid")
o = a.parse_args()
if o.threads: torch.set_num_threads(o.threads)
args = json.load(open(os.path.join(o.model, "args.json"))); vocab = json.load(open(os.path.join(o.model, "vocab.json")))
w = torch.load(os.path.join(o.model, "best_model.pt"), map_location="cpu", weights_only=True)
d, H, nl = args["embsize"], args.get("nheads", args.get("nhead")), args["nlayers"]
def g(*names):
    for n in names:
        if n in w: return w[n].float()
    raise SystemExit(f"checkpoint lacks {names}")
pad_id, cls_id = vocab[args.get("pad_token", "<pad>")], vocab["<cls>"]
E, eg, eb = g("encoder.embedding.weight"), g("encoder.enc_norm.weight"), g("encoder.enc_norm.bias")
L = []
for l in range(nl):
    p = f"transformer_encoder.layers.{l}."
    L.append((g(p + "self_attn.Wqkv.weight", p + "self_attn.in_proj_weight"), g(p + "self_attn.Wqkv.bias", p + "self_attn.in_proj_bias"),
              g(p + "self_attn.out_proj.weight"), g(p + "self_attn.out_proj.bias"), g(p + "norm1.weight"), g(p + "norm1.bias"),
              g(p + "linear1.weight"), g(p + "linear1.bias"), g(p + "linear2.weight"), g(p + "linear2.bias"), g(p + "norm2.weight"), g(p + "norm2.bias")))
def values(v):
    x = torch.clamp(v.unsqueeze(-1), max=512)
    h = F.relu(F.linear(x, g("value_encoder.linear1.weight"), g("value_encoder.linear1.bias")))
    return F.layer_norm(F.linear(h, g("value_encoder.linear2.weight"), g("value_encoder.linear2.bias")), (d,), g("value_encoder.norm.weight"), g("value_encoder.norm.bias"))
def forward(ids, v):
    mask = ids.eq(pad_id); m = None if not mask.any() else (~mask)[:, None, None, :]
    h = F.layer_norm(F.embedding(ids, E), (d,), eg, eb) + values(v)
    B, T, _ = h.shape
    for wi, bi, wo, bo, g1, b1, w1, c1, w2, c2, g2, b2 in L:
        q, k, vv = F.linear(h, wi, bi).view(B, T, 3, H, d // H).permute(2, 0, 3, 1, 4)
        s = F.scaled_dot_product_attention(q, k, vv, attn_mask=m).transpose(1, 2).reshape(B, T, d)
        h = F.layer_norm(h + F.linear(s, wo, bo), (d,), g1, b1)
        h = F.layer_norm(h + F.linear(F.relu(F.linear(h, w1, c1)), w2, c2), (d,), g2, b2)
    return h[:, 0, :]
def binned(x, n_bins=51):
    e = np.quantile(x, np.linspace(0, 1, n_bins - 1)); lo, hi = np.digitize(x, e, right=True), np.digitize(x, e)
    lo, hi = np.minimum(lo, hi), np.maximum(lo, hi)
    left, right = np.digitize(x, e), np.digitize(x, e, right=True)
    r = {"left": 0.0, "mid": 0.5}[o.ties]
    return np.ceil(r * (right - left) + left).astype(np.float32)
ad = anndata.read_h5ad(o.data); X = ad.X if sp.issparse(ad.X) else sp.csr_matrix(ad.X); X = X.tocsr()
names = ad.var["gene_name"].astype(str) if "gene_name" in ad.var else ad.var_names
keep = np.array([i for i, n in enumerate(names) if n in vocab]); gid = np.array([vocab[names.iloc[i] if hasattr(names, "iloc") else names[i]] for i in keep]); X = X[:, keep].tocsr(); X.sort_indices()
n = min(o.cells, X.shape[0]) if o.cells else X.shape[0]
cells = []
for i in range(n):
    r = X[i]; nz = r.data != 0; ids = gid[r.indices[nz]]; x = binned(r.data[nz].astype(np.float32)) if nz.any() else np.zeros(0, np.float32)
    cells.append((np.concatenate([[cls_id], ids])[: o.max_length], np.concatenate([[args.get("pad_value", -2)], x]).astype(np.float32)[: o.max_length]))
order = np.argsort([-len(c[0]) for c in cells], kind="stable") if o.sort else np.arange(n)
emb, tokens, secs, cpu = np.zeros((n, d), np.float32), 0, 0.0, 0.0
with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.bf16):
    for s in range(0, n, o.batch):
        ix = order[s : s + o.batch]; T = max(len(cells[i][0]) for i in ix)
        ids = torch.full((len(ix), T), pad_id); v = torch.full((len(ix), T), float(args.get("pad_value", -2)))
        for j, i in enumerate(ix):
            c = cells[i]; ids[j, : len(c[0])] = torch.as_tensor(c[0]); v[j, : len(c[1])] = torch.as_tensor(c[1]); tokens += len(c[0])
        t, c = time.perf_counter(), time.process_time(); y = forward(ids, v).float(); secs += time.perf_counter() - t; cpu += time.process_time() - c
        emb[ix] = (y / y.norm(dim=1, keepdim=True)).numpy()
if o.out: np.save(o.out, emb)
print(json.dumps(dict(cells=n, tokens=tokens, seconds=round(secs, 3), cpu_seconds=round(cpu, 3), cells_per_s=round(n / secs, 3), batch=o.batch, bf16=o.bf16,
                      threads=torch.get_num_threads(), torch=torch.__version__, peak_rss_gb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2))))
