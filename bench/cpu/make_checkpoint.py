"""Write a full-size scGPT_human-shaped checkpoint with random weights (51 M parameters, 205 MB).

usage: make_checkpoint.py OUT_DIR [VOCAB_JSON]
The 12 layers are distinct (xavier); names follow the published file (Wqkv). The vocabulary holds the genes of
VOCAB_JSON (default the tree's) and filler genes up to 60,694, then <pad>, <cls>, <eoc>.
Speed and memory only: the weights mean nothing.
"""
import json, os, sys
import torch

out = sys.argv[1]
vocab_file = sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../testdata/models/tiny_scgpt/vocab.json")
os.makedirs(out, exist_ok=True)
d, heads, hid, layers, n = 512, 8, 512, 12, 60697
genes = [g for g, _ in sorted(json.load(open(vocab_file)).items(), key=lambda t: t[1]) if not g.startswith("<")]
genes += [f"FILLER{i}" for i in range(n - 3 - len(genes))]
vocab = {g: i for i, g in enumerate(genes + ["<pad>", "<cls>", "<eoc>"])}
torch.manual_seed(0)
w = {}
def lin(name, o, i):
    w[name + ".weight"] = torch.nn.init.xavier_uniform_(torch.empty(o, i)); w[name + ".bias"] = torch.randn(o) * 0.02
def norm(name):
    w[name + ".weight"] = 1 + 0.1 * torch.randn(d); w[name + ".bias"] = 0.1 * torch.randn(d)
w["encoder.embedding.weight"] = torch.randn(n, d) * 0.5
norm("encoder.enc_norm"); lin("value_encoder.linear1", d, 1); lin("value_encoder.linear2", d, d); norm("value_encoder.norm")
for l in range(layers):
    p = f"transformer_encoder.layers.{l}."
    lin(p + "self_attn.Wqkv", 3 * d, d); lin(p + "self_attn.out_proj", d, d)
    lin(p + "linear1", hid, d); lin(p + "linear2", d, hid); norm(p + "norm1"); norm(p + "norm2")
torch.save(w, os.path.join(out, "best_model.pt"))
json.dump(vocab, open(os.path.join(out, "vocab.json"), "w"))
json.dump(dict(embsize=d, nheads=heads, d_hid=hid, nlayers=layers, n_layers_cls=3, dropout=0.2, pad_token="<pad>",
               pad_value=-2, mask_value=-1, n_bins=51, max_seq_len=1200, input_emb_style="continuous"),
          open(os.path.join(out, "args.json"), "w"), indent=1)
print("wrote", out, sum(v.numel() for v in w.values()), "parameters")
