"""Makes embed_long_rawcounts.safetensors, category.safetensors and the model tiny_category from upstream's code.

usage: make_more.py UPSTREAM, the folder of a clone of bowang-lab/scGPT at cebd6fa (0.2.5); needs torch 2.7.1, anndata,
scanpy, safetensors.

Upstream's random tie breaking is fixed at 0.5 ("mid"), its random choice of a long cell's genes is off. tiny_category has
random weights: it is for numbers only.
"""

import json
import logging
import sys
import types
from collections import OrderedDict
from pathlib import Path

import anndata
import numpy as np
import torch
from safetensors.numpy import save_file

UPSTREAM, HERE = Path(sys.argv[1]), Path(__file__).resolve().parent
TESTDATA = HERE.parent

# scgpt/__init__.py imports what is not needed here.
package = types.ModuleType("scgpt")
package.__path__, package.logger = [str(UPSTREAM / "scgpt")], logging.getLogger("scGPT")
sys.modules["scgpt"] = package
from scgpt.data_collator import DataCollator
from scgpt.model.model import TransformerModel
from scgpt.preprocess import binning
from scgpt.tokenizer.gene_tokenizer import GeneVocab, tokenize_and_pad_batch

torch.set_num_threads(1)


class middle:
    """numpy.random.rand gives 0.5."""

    def __enter__(self):
        self.rand, np.random.rand = np.random.rand, lambda n: np.full(n, 0.5)

    def __exit__(self, *_):
        np.random.rand = self.rand


def cells(name, vocab):
    a = anndata.read_h5ad(TESTDATA / "cells" / name)
    genes = a.var["gene_name"] if "gene_name" in a.var else a.var_names
    keep = [g in vocab for g in genes]
    return a[:, keep].X.toarray().astype(np.float32), np.array([vocab[g] for g in genes[keep]])


def build(folder, vocab, **options):
    args = json.loads((folder / "args.json").read_text())
    settings = dict(
        ntoken=len(vocab), d_model=args["embsize"], nhead=args["nheads"], d_hid=args["d_hid"], nlayers=args["nlayers"],
        nlayers_cls=args["n_layers_cls"], n_cls=1, vocab=vocab, dropout=args["dropout"], pad_token=args["pad_token"],
        pad_value=args["pad_value"], do_mvc=True, input_emb_style=args["input_emb_style"],
        n_input_bins=args.get("n_input_bins", 51), use_fast_transformer=False)
    return TransformerModel(**{**settings, **options}).eval(), args


def normalized(e):
    return e / np.linalg.norm(e, axis=1, keepdims=True)


def embed(model, vocab, rows, genes, max_length):
    """What tasks.embed_data does, one cell a batch: embeddings, tokens and values of each."""
    pad, cls = vocab["<pad>"], vocab["<cls>"]
    collate = DataCollator(do_padding=True, pad_token_id=pad, pad_value=-2, do_mlm=False, do_binning=True,
                           max_length=max_length, sampling=False, keep_first_n_tokens=1)
    embeddings, tokens, values = [], [], []
    for row in rows:
        there = np.nonzero(row)[0]
        with middle():
            batch = collate([{
                "id": 0, "genes": torch.from_numpy(np.insert(genes[there], 0, cls)).long(),
                "expressions": torch.from_numpy(np.insert(row[there], 0, -2)).float()}])
        with torch.no_grad():
            out = model._encode(batch["gene"], batch["expr"], src_key_padding_mask=batch["gene"].eq(pad))
        embeddings.append(out[0, 0].numpy())
        tokens.append(batch["gene"][0].numpy().astype(np.int32))
        values.append(batch["expr"][0].numpy())
    return np.array(embeddings), tokens, values


def long_cells():
    folder = TESTDATA / "models/tiny_scgpt"
    vocab = GeneVocab.from_file(folder / "vocab.json")
    model, _ = build(folder, vocab)
    weights = torch.load(folder / "best_model.pt", map_location="cpu", weights_only=True)
    model.load_state_dict({k: v for k, v in weights.items() if not k.startswith("cls_decoder")}, strict=False)
    x, genes = cells("celltypist_sample.h5ad", vocab)
    expressed = (x > 0).sum(1)
    chosen = np.concatenate([
        np.argsort(-expressed, kind="stable")[:2], np.argsort(np.abs(expressed - 1199), kind="stable")[:2],
        np.argsort(expressed, kind="stable")[:2]])
    capped, tokens, values = embed(model, vocab, x[chosen], genes, 1200)
    whole, all_tokens, all_values = embed(model, vocab, x[chosen], genes, 3003)
    out = {
        "cell_index_in_celltypist": chosen, "n_tokens_full": expressed[chosen] + 1,
        "emb_l2_mid_1200": normalized(capped), "emb_l2_mid_full": normalized(whole),
        "token_ids_full_0": all_tokens[0], "values_mid_full_0": all_values[0]}
    for k in (0, 2, 4):
        out[f"token_ids_1200_{k}"], out[f"values_mid_1200_{k}"] = tokens[k], values[k]
    return out


def category():
    folder = HERE / "tiny_category"
    folder.mkdir(exist_ok=True)
    sample = TESTDATA / "models/tiny_scgpt"
    for name in ("vocab.json", "id2type.json"):
        (folder / name).write_text((sample / name).read_text())
    args = {
        "embsize": 32, "nheads": 4, "d_hid": 48, "nlayers": 2, "n_layers_cls": 3, "dropout": 0.1, "pad_token": "<pad>",
        "pad_value": 51, "mask_value": 52, "n_bins": 51, "n_input_bins": 53, "input_emb_style": "category"}
    (folder / "args.json").write_text(json.dumps(args, indent=2) + "\n")
    vocab = GeneVocab.from_file(folder / "vocab.json")
    torch.manual_seed(0)
    model, _ = build(folder, vocab, n_cls=10)
    for name, tensor in model.state_dict().items():  # norms and biases that are not 1 and 0
        if tensor.dim() == 1:
            tensor += 0.1 * torch.randn_like(tensor)
    torch.save(OrderedDict(model.state_dict()), folder / "best_model.pt")

    x, genes = cells("pbmc68k_test.h5ad", vocab)
    with middle():
        bins = np.stack([binning(row, 51) for row in x[:10]])
    batch = tokenize_and_pad_batch(bins, genes, max_len=3001, vocab=vocab, pad_token="<pad>", pad_value=51,
                                   append_cls=True, include_zero_gene=False)
    ids, values = batch["genes"], batch["values"].float()
    with torch.no_grad():
        out = model(ids, values, src_key_padding_mask=ids.eq(vocab["<pad>"]), CLS=True, MVC=True)
    return {
        "token_ids": ids.numpy().astype(np.int32), "values": values.numpy(), "cell_emb": out["cell_emb"].numpy(),
        "logits": out["cls_output"].numpy(), "mvc": out["mvc_output"].numpy()}


def put(name, tensors, description):
    tensors = {k: np.ascontiguousarray(v) for k, v in tensors.items()}
    save_file(tensors, HERE / f"{name}.safetensors")
    manifest = json.loads((HERE / "manifest.json").read_text())
    manifest["files"][name] = {"desc": description, "tensors": {k: [str(v.dtype), list(v.shape)] for k, v in tensors.items()}}
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=1))


put("embed_long_rawcounts", long_cells(),
    "made by make_more.py: embed_data path on raw counts (celltypist sample), max_length 1200 with keep-first truncation "
    "(collator sampling=False) and un-capped; 2 longest, 2 nearest 1199, 2 shortest cells")
put("category", category(),
    "made by make_more.py: tiny_category (2 layers, random weights, input_emb_style=category, 53 bins, pad_value 51), the "
    "first 10 cells of pbmc68k_test, mid, <cls> of value 0")
