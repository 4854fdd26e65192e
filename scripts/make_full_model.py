"""Writes a model of the published whole-human model's size with random weights: 51 million parameters, 205 MB.

usage: make_full_model.py FOLDER [--vocab VOCAB.json]

For speed and memory only, the weights mean nothing. Names and shapes are those of the published file; the vocabulary
holds the genes of VOCAB.json (default: that of the sample model) and made-up ones up to 60,694. Needs torch.
"""

import argparse
import json
from pathlib import Path

import torch

WIDTH, HEADS, HIDDEN, LAYERS, TOKENS = 512, 8, 512, 12, 60697
SPECIALS = ["<pad>", "<cls>", "<eoc>"]
SAMPLE = Path(__file__).resolve().parent.parent / "testdata/models/tiny_scgpt/vocab.json"


def vocabulary(path):
    known = json.loads(Path(path).read_text())
    genes = [g for g in sorted(known, key=known.get) if g not in SPECIALS]
    genes += [f"MADEUP{i}" for i in range(TOKENS - len(SPECIALS) - len(genes))]
    return {token: i for i, token in enumerate(genes + SPECIALS)}


def weights():
    torch.manual_seed(0)
    tensors = {}

    def linear(name, out, inputs):
        tensors[name + ".weight"] = torch.nn.init.xavier_uniform_(torch.empty(out, inputs))
        tensors[name + ".bias"] = 0.02 * torch.randn(out)

    def norm(name):
        tensors[name + ".weight"] = 1 + 0.1 * torch.randn(WIDTH)
        tensors[name + ".bias"] = 0.1 * torch.randn(WIDTH)

    tensors["encoder.embedding.weight"] = 0.5 * torch.randn(TOKENS, WIDTH)
    norm("encoder.enc_norm")
    linear("value_encoder.linear1", WIDTH, 1)
    linear("value_encoder.linear2", WIDTH, WIDTH)
    norm("value_encoder.norm")
    for i in range(LAYERS):
        layer = f"transformer_encoder.layers.{i}."
        linear(layer + "self_attn.Wqkv", 3 * WIDTH, WIDTH)
        linear(layer + "self_attn.out_proj", WIDTH, WIDTH)
        linear(layer + "linear1", HIDDEN, WIDTH)
        linear(layer + "linear2", WIDTH, HIDDEN)
        norm(layer + "norm1")
        norm(layer + "norm2")
    for i in (0, 2):
        linear(f"decoder.fc.{i}", WIDTH, WIDTH)
    linear("decoder.fc.4", 1, WIDTH)
    linear("mvc_decoder.gene2query", WIDTH, WIDTH)
    tensors["mvc_decoder.W.weight"] = torch.nn.init.xavier_uniform_(torch.empty(WIDTH, WIDTH))
    tensors["flag_encoder.weight"] = torch.randn(2, WIDTH)
    return tensors


def make(folder, vocab=SAMPLE):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = weights()
    torch.save(tensors, folder / "best_model.pt")
    (folder / "vocab.json").write_text(json.dumps(vocabulary(vocab)))
    args = {
        "embsize": WIDTH, "nheads": HEADS, "d_hid": HIDDEN, "nlayers": LAYERS, "n_layers_cls": 3, "dropout": 0.2,
        "pad_token": "<pad>", "pad_value": -2, "mask_value": -1, "n_bins": 51, "max_seq_len": 1200,
        "input_emb_style": "continuous",
    }
    (folder / "args.json").write_text(json.dumps(args, indent=1))
    print(f"{folder}: {sum(t.numel() for t in tensors.values())} parameters")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--vocab", default=SAMPLE)
    options = parser.parse_args()
    make(options.folder, options.vocab)
