"""Writes goldens.json and loess.json: what scanpy and scikit-misc make of the
cells in the repository's testdata/cells.

    pip install scanpy==1.11.5 anndata==0.12.19 scikit-misc==0.5.3 \
        numpy==2.2.6 scipy==1.17.1 pandas==2.3.3 statsmodels==0.15.0
    python make_goldens.py
"""

import json
import pathlib
import warnings

import anndata as ad
import numpy as np
import scanpy as sc
from skmisc.loess import loess

here = pathlib.Path(__file__).resolve().parent
cells = next(p / "testdata/cells" for p in here.parents if (p / "testdata/cells").is_dir())


def read(name):
    a = ad.read_h5ad(cells / f"{name}.h5ad")
    a.obs["file"] = name
    return a


def log_normalised(a):
    a = a.copy()
    sc.pp.normalize_total(a, target_sum=1e4)
    sc.pp.log1p(a)
    return a


def joined(parts):
    # Genes in the order of the first part; the test joins them the same way.
    genes = [g for g in parts[0].var_names if all(g in p.var_names for p in parts)]
    return ad.concat([p[:, genes] for p in parts])


train, test, counts = read("pbmc68k_train"), read("pbmc68k_test"), read("celltypist_sample")
counts.obs["third"] = [f"part {i % 3}" for i in range(counts.n_obs)]
inputs = {
    "pbmc68k_train": train,
    "pbmc68k_test": test,
    "celltypist": counts,
    "celltypist_log": log_normalised(counts),
    "pbmc68k": joined([train, test]),
    "all_log": joined([train, test, log_normalised(counts)]),
    "all": joined([train, test, counts]),
}

cases = [
    ("pbmc68k_train", "cell_ranger", None, (50, 200, 400)),
    ("pbmc68k_test", "cell_ranger", None, (50, 200)),
    ("celltypist_log", "cell_ranger", None, (300, 1200, 2000)),
    ("pbmc68k", "cell_ranger", "file", (50, 200, 400)),
    ("pbmc68k", "cell_ranger", "celltype", (50, 200)),
    ("all_log", "cell_ranger", "file", (50, 200, 400)),
    ("celltypist_log", "cell_ranger", "third", (300, 1200, 2000)),
    ("celltypist", "seurat_v3", None, (300, 1200, 2000)),
    ("celltypist", "seurat_v3", "third", (300, 1200, 2000)),
    # Not counts all of them: numbers alone are compared.
    ("pbmc68k_train", "seurat_v3", None, (50, 200, 400)),
    ("all", "seurat_v3", "file", (50, 200, 400)),
]


def number(v):
    v = float(v)
    return None if np.isnan(v) else float(f"{v:.10g}")


goldens = []
for name, flavor, batch, sizes in cases:
    for n in sizes:
        a = inputs[name]
        if batch is not None and flavor == "cell_ranger":
            # Batches of one cell have no dispersion.
            assert a.obs[batch].value_counts().min() > 1, (name, batch)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            df = sc.pp.highly_variable_genes(
                a, flavor=flavor, n_top_genes=n, batch_key=batch, inplace=False
            )
        df = df.loc[a.var_names]
        golden = {
            "input": name,
            "flavor": flavor,
            "batch": batch or "",
            "n": n,
            "columns": [int(i) for i in np.flatnonzero(df["highly_variable"])],
        }
        if n == sizes[0]:
            # scanpy squares values in their own precision; in double precision
            # its figures can be compared closely.
            b = a.copy()
            b.X = b.X.astype(np.float64)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                df = sc.pp.highly_variable_genes(
                    b, flavor=flavor, n_top_genes=n, batch_key=batch, inplace=False
                )
            df = df.loc[a.var_names]
            score = "variances_norm" if flavor == "seurat_v3" else "dispersions_norm"
            spread = "variances" if flavor == "seurat_v3" else "dispersions"
            every = range(0, a.n_vars, 7)  # a sample of the genes
            golden["every"] = 7
            golden["mean"] = [number(df["means"].iloc[i]) for i in every]
            golden["dispersion"] = [number(df[spread].iloc[i]) for i in every]
            golden["score"] = [number(df[score].iloc[i]) for i in every]
        goldens.append(golden)


def lines(values):
    return "[\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in values) + "\n]\n"


(here / "goldens.json").write_text(lines(goldens))

rng = np.random.default_rng(1)
curves = []
for n, span, ties in [(14, 0.3, 0), (40, 0.3, 0), (150, 0.3, 0), (150, 0.75, 0), (400, 0.1, 0), (300, 0.3, 1), (300, 0.5, 2), (120, 1.0, 0)]:
    x = np.sort(rng.normal(size=n))
    if ties == 1:
        x = np.round(x, 1)
    if ties == 2:  # as of genes that one, two, three cells express
        x[: n // 2] = np.log10(rng.integers(1, 6, size=n // 2) / 500)
    x = rng.permutation(x)
    y = np.sin(2 * x) + rng.normal(scale=0.3, size=n)
    x, y = np.round(x, 12), np.round(y, 12)
    m = loess(x, y, span=span, degree=2)
    m.fit()
    curves.append({"span": span, "x": x.tolist(), "y": y.tolist(), "fitted": [float(f"{v:.14g}") for v in m.outputs.fitted_values]})
(here / "loess.json").write_text(lines(curves))
