#!/usr/bin/env python3
"""Writes a small file with the anndata release that is installed, meant for old
ones.  python make_old.py   (Python 3.7; anndata 0.6.22.post1 and 0.7.8, h5py 2.10,
numpy 1.19, pandas 1.1, scipy 1.5)
"""
import os
import anndata as ad, numpy as np, pandas as pd, scipy.sparse as sp

os.chdir(os.path.dirname(os.path.abspath(__file__)))
n, g = 12, 8
x = sp.csr_matrix((np.arange(n * g).reshape(n, g) % 5 * (np.arange(n * g).reshape(n, g) % 3 == 0)).astype("f4"))
obs = pd.DataFrame({
    "kind": pd.Categorical.from_codes(np.where(np.arange(n) % 5 == 3, -1, np.arange(n) % 3), ["a", "b é", "c"]),
    "single": pd.Categorical(["only"] * n),
    "half": np.arange(n) * 0.5,
    "number": np.arange(n),
    "even": np.arange(n) % 2 == 0,
    "text": ["t%d é" % i for i in range(n)],
}, index=["cell%d" % i for i in range(n)])
var = pd.DataFrame({"symbol": ["G%d" % i for i in range(g)], "group": pd.Categorical(["x", "y"] * (g // 2))}, index=["ENS%d" % i for i in range(g)])
a = ad.AnnData(x, obs=obs, var=var)
a.raw = a.copy()
a.layers["counts"] = x.copy()
a.obsm["X_pca"] = np.arange(n * 4).reshape(n, 4) * 0.5
a.obsm["X_umap"] = np.arange(n * 2).reshape(n, 2).astype("f4")
a.varm["PCs"] = np.arange(g * 3).reshape(g, 3) * 1.0
a.uns["info"] = {"k": "v", "n": 3, "nested": {"x": np.float32(1)}}
a.uns["sparse"] = sp.csr_matrix(np.eye(3))
a.uns["records"] = np.rec.fromarrays([np.arange(3.0), np.array(["g1", "g2", "g3"])], names=["score", "name"])
a.write("anndata_%s.h5ad" % ".".join(ad.__version__.split(".")[:3]))
