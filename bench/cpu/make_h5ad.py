"""Write random CSR count matrices for the reading benchmarks, one file per compression.

usage: make_h5ad.py OUT_DIR [ROWS COLS DENSITY]
"""
import os, sys
import anndata, numpy as np, scipy.sparse as sp

out = sys.argv[1]
rows, cols = (int(a) for a in sys.argv[2:4]) if len(sys.argv) > 3 else (50_000, 2_000)
density = float(sys.argv[4]) if len(sys.argv) > 4 else 0.08
os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(0)
counts = rng.binomial(cols, density, rows)
indptr = np.concatenate([[0], np.cumsum(counts)])
indices = np.concatenate([np.sort(rng.choice(cols, n, replace=False)) for n in counts]).astype(np.int32)
data = rng.geometric(0.5, len(indices)).astype(np.float32)
x = sp.csr_matrix((data, indices, indptr), shape=(rows, cols))
for compression in ("gzip", "lzf", None):
    path = os.path.join(out, f"csr_{compression or 'none'}.h5ad")
    anndata.AnnData(x).write_h5ad(path, compression=compression)
    print(path, os.path.getsize(path), "bytes", x.nnz, "values")
