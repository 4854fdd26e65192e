"""Cell embeddings with PyTorch on the CPU, to compare speed and numbers with.

usage: torch_embed.py MODEL DATA.h5ad [--max-length N] [--batch N] [--threads N] [--bf16] [--out EMBEDDINGS.npy]

Does what scGPT's embed_data does (padded batches, zero-shot tokens), without its two random choices: tied values take
the middle bin, longer cells keep their first genes. Attention goes through scaled_dot_product_attention, the fastest
of PyTorch's ways on a CPU. Cells are sorted by length, so that little is padded; upstream does not. Prints one JSON
object; its seconds are those of the forward passes alone. Needs torch and anndata.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import anndata
import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F


class Model:
    def __init__(self, folder):
        folder = Path(folder)
        self.args = json.loads((folder / "args.json").read_text())
        self.vocab = json.loads((folder / "vocab.json").read_text())
        self.weights = torch.load(folder / "best_model.pt", map_location="cpu", weights_only=True)
        self.width, self.heads = self.args["embsize"], self.args["nheads"]
        self.pad, self.cls = self.vocab[self.args["pad_token"]], self.vocab["<cls>"]
        self.pad_value = float(self.args["pad_value"])
        self.layers = [self.layer(f"transformer_encoder.layers.{i}.") for i in range(self.args["nlayers"])]

    def get(self, *names):
        for name in names:
            if name in self.weights:
                return self.weights[name].float()
        raise SystemExit(f"the model has none of {names}")

    def layer(self, p):
        return (
            self.get(p + "self_attn.Wqkv.weight", p + "self_attn.in_proj_weight"),
            self.get(p + "self_attn.Wqkv.bias", p + "self_attn.in_proj_bias"),
            *(self.get(p + n) for n in (
                "self_attn.out_proj.weight", "self_attn.out_proj.bias", "norm1.weight", "norm1.bias",
                "linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias", "norm2.weight", "norm2.bias")),
        )

    def norm(self, x, name):
        return F.layer_norm(x, (self.width,), self.get(name + ".weight"), self.get(name + ".bias"))

    def linear(self, x, name):
        return F.linear(x, self.get(name + ".weight"), self.get(name + ".bias"))

    def values(self, v):
        hidden = F.relu(self.linear(v.unsqueeze(-1).clamp(max=512), "value_encoder.linear1"))
        return self.norm(self.linear(hidden, "value_encoder.linear2"), "value_encoder.norm")

    def forward(self, ids, values):
        padded = ids.eq(self.pad)
        mask = (~padded)[:, None, None, :] if padded.any() else None
        h = self.norm(F.embedding(ids, self.get("encoder.embedding.weight")), "encoder.enc_norm") + self.values(values)
        cells, tokens, width = h.shape
        for wqkv, bqkv, wo, bo, g1, b1, w1, c1, w2, c2, g2, b2 in self.layers:
            q, k, v = F.linear(h, wqkv, bqkv).view(cells, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(cells, tokens, width)
            h = F.layer_norm(h + F.linear(a, wo, bo), (width,), g1, b1)
            h = F.layer_norm(h + F.linear(F.relu(F.linear(h, w1, c1)), w2, c2), (width,), g2, b2)
        return h[:, 0]


def binned(x, bins):
    edges = np.quantile(x, np.linspace(0, 1, bins - 1))
    left, right = np.digitize(x, edges), np.digitize(x, edges, right=True)
    return np.ceil(0.5 * (right - left) + left)


def tokenize(model, path, max_length):
    """Ids and values of each cell."""
    data = anndata.read_h5ad(path)
    genes = list(data.var["gene_name"] if "gene_name" in data.var else data.var_names)
    known = np.array([i for i, g in enumerate(genes) if g in model.vocab])
    ids = np.array([model.vocab[genes[i]] for i in known])
    x = sp.csr_matrix(data.X)[:, known].tocsr()
    x.sort_indices()
    cells = []
    for i in range(x.shape[0]):
        row = x[i]
        there = row.data != 0
        values = row.data[there].astype(np.float32)
        digits = binned(values, model.args["n_bins"]) if len(values) else values
        cells.append((
            np.concatenate([[model.cls], ids[row.indices[there]]])[:max_length],
            np.concatenate([[model.pad_value], digits]).astype(np.float32)[:max_length],
        ))
    return cells


def embed(model, cells, batch, bf16):
    order = np.argsort([-len(ids) for ids, _ in cells], kind="stable")
    embeddings = np.zeros((len(cells), model.width), np.float32)
    seconds = 0.0
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        for first in range(0, len(cells), batch):
            rows = order[first:first + batch]
            longest = len(cells[rows[0]][0])
            ids = torch.full((len(rows), longest), model.pad)
            values = torch.full((len(rows), longest), model.pad_value)
            for k, row in enumerate(rows):
                n = len(cells[row][0])
                ids[k, :n], values[k, :n] = torch.as_tensor(cells[row][0]), torch.as_tensor(cells[row][1])
            start = time.perf_counter()
            out = model.forward(ids, values).float()
            seconds += time.perf_counter() - start
            embeddings[rows] = F.normalize(out, dim=1).numpy()
    return embeddings, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--max-length", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--out")
    o = parser.parse_args()
    if o.threads:
        torch.set_num_threads(o.threads)
    start = time.perf_counter()
    model = Model(o.model)
    load = time.perf_counter() - start
    cells = tokenize(model, o.data, o.max_length)
    embeddings, seconds = embed(model, cells, o.batch, o.bf16)
    if o.out:
        np.save(o.out, embeddings)
    print(json.dumps({
        "cells": len(cells), "tokens": int(sum(len(ids) for ids, _ in cells)), "batch": o.batch, "bf16": o.bf16,
        "load_seconds": load, "seconds": seconds, "cells_per_s": len(cells) / seconds,
        "threads": torch.get_num_threads(), "torch": torch.__version__,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }))


if __name__ == "__main__":
    main()
