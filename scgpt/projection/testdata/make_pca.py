"""Makes pca.json: principal components as scikit-learn finds them.

    pip install scikit-learn==1.9.1 anndata==0.12.19
    python make_pca.py

Values are rounded to a few decimals to keep the file small; scikit-learn gets
them as float64, as they are after float32. The case "pbmc68k" is the real cells in
testdata/cells/pbmc68k_train.h5ad, of which only the results are stored.
"""

import json
import os

import anndata
import numpy as np
from sklearn.decomposition import PCA

here = os.path.dirname(os.path.abspath(__file__))
random = np.random.default_rng(20240601)


def digits(values, n=9):
    return [float(f"{v:.{n}g}") for v in np.ravel(values)]


def case(name, x, k, stored=True):
    x = np.float32(x)
    model = PCA(n_components=k, svd_solver="full").fit(x.astype(np.float64))
    # Directions are certain only as far as their variances differ.
    gaps = -np.diff(model.explained_variance_)
    assert gaps.size == 0 or gaps.min() > 1e-7 * model.explained_variance_[0], (name, gaps.min())
    scores = model.transform(x.astype(np.float64))
    return {
        "name": name,
        "cols": x.shape[1],
        "k": k,
        "x": digits(x, 8) if stored else None,
        "variance": digits(model.explained_variance_, 12),
        "ratio": digits(model.explained_variance_ratio_, 12),
        "mean": digits(model.mean_[:20], 12),
        "vectors": digits(model.components_[:, :20], 12),
        "scores": digits(scores[:12]),
    }


def sparse(rows, cols):
    """Log-normalised counts of a few kinds of cells."""
    rates = random.gamma(0.3, 1.0, size=(3, cols))
    counts = random.poisson(rates[random.integers(3, size=rows)])
    total = counts.sum(axis=1, keepdims=True)
    return np.round(np.log1p(counts / np.maximum(total, 1) * 100), 3)


normal = lambda *shape: np.round(random.normal(size=shape), 3)
cells = anndata.read_h5ad(os.path.join(here, "../../../testdata/cells/pbmc68k_train.h5ad")).X.toarray()
cases = [
    case("tall", normal(60, 8) * np.arange(1, 9), 8),
    case("wide", normal(9, 30), 8),
    case("one component", normal(20, 5) * [1, 2, 3, 4, 9], 1),
    case("one column", normal(20, 1), 1),
    case("far from the origin", 1000 + normal(40, 6) * np.arange(1, 7), 4),
    case("sparse", sparse(120, 25), 10),
    case("pbmc68k", cells, 50, stored=False),
]
with open(os.path.join(here, "pca.json"), "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
