"""Makes umap.safetensors and umap.json: embeddings of real cells, and how
trustworthy umap-learn's layouts of them are.

    python3 -m venv venv && venv/bin/pip install umap-learn==0.5.12 scikit-learn==1.9.1 anndata==0.12.19 safetensors==0.6.2
    go run ./examples/scgpt annotate --data testdata/cells/pbmc68k_train.h5ad --out train.h5ad
    go run ./examples/scgpt annotate --data testdata/cells/pbmc68k_test.h5ad --out test.h5ad
    venv/bin/python scgpt/projection/testdata/make_umap.py train.h5ad test.h5ad

The embedding "pbmc68k" is obsm["X_scGPT"] of the 700 cells, "celltypist" 50
principal components of the 559 cells in testdata/cells/celltypist_sample.h5ad,
log-normalised. Each is laid out with five seeds, from both of umap-learn's usual
starts; scikit-learn says how trustworthy the layout is.
"""

import json
import os
import sys

import anndata
import numpy as np
import umap
from safetensors.numpy import save_file
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

here = os.path.dirname(os.path.abspath(__file__))


def pbmc68k(paths):
    return np.concatenate([anndata.read_h5ad(p).obsm["X_scGPT"] for p in paths])


def celltypist():
    x = anndata.read_h5ad(os.path.join(here, "../../../testdata/cells/celltypist_sample.h5ad")).X.toarray().astype(float)
    x = np.log1p(x / x.sum(axis=1, keepdims=True) * 1e4)
    return np.float32(PCA(n_components=50, svd_solver="full").fit_transform(x))


def scores(x, init, k=15):
    found = []
    for seed in range(5):
        model = umap.UMAP(n_neighbors=15, min_dist=0.5, init=init, random_state=seed)
        found.append(trustworthiness(x, model.fit_transform(x), n_neighbors=k))
    return found


embeddings = {"pbmc68k": pbmc68k(sys.argv[1:]), "celltypist": celltypist()}
save_file(embeddings, os.path.join(here, "umap.safetensors"))
result = {}
for name, x in embeddings.items():
    result[name] = {init: scores(x, init) for init in ("spectral", "pca")}
    print(name, x.shape, {init: (min(s), max(s)) for init, s in result[name].items()})
with open(os.path.join(here, "umap.json"), "w") as f:
    json.dump(result, f, indent=1)
    f.write("\n")
