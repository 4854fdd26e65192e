"""Opens an annotated copy with anndata, every warning an error, and holds it against its input.

usage: check_annotated.py ANNOTATED.h5ad INPUT.h5ad

Checks that obs["predicted_labels"], obs["conf_score"], obsm["X_scGPT"] and uns["troupe"] are there and make
sense, and that everything else is as in the input. Exit code 0 if so.
"""

import sys
import warnings

warnings.simplefilter("error")

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

ADDED_OBS = ["predicted_labels", "conf_score"]


def same(a, b, where):
    """Asserts that two elements of an AnnData are equal, dtype included."""
    if sp.issparse(a):
        assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and (a != b).nnz == 0, where
    elif isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b, obj=where)
    elif isinstance(a, dict) or hasattr(a, "keys"):
        assert set(a.keys()) == set(b.keys()), (where, set(a.keys()), set(b.keys()))
        for key in a.keys():
            same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b, err_msg=where)
        assert a.dtype == b.dtype, where
    else:
        assert a is b or a == b, where


def main(annotated, original):
    got, want = anndata.read_h5ad(annotated), anndata.read_h5ad(original)

    labels, confidence, embedding = got.obs["predicted_labels"], got.obs["conf_score"], got.obsm["X_scGPT"]
    assert isinstance(labels.dtype, pd.CategoricalDtype) and labels.notna().all()
    assert confidence.dtype == np.float32 and confidence.between(0, 1).all()
    assert embedding.dtype == np.float32 and embedding.shape[0] == got.n_obs
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    assert {"agent", "version", "model", "fingerprint", "device", "precision"} <= set(got.uns["troupe"])

    same(got.X, want.X, "X")
    same(got.obs.drop(columns=ADDED_OBS), want.obs.drop(columns=ADDED_OBS, errors="ignore"), "obs")
    same(got.var, want.var, "var")
    for name in ("layers", "varm", "obsp", "varp"):
        same(getattr(got, name), getattr(want, name), name)
    same({k: v for k, v in got.obsm.items() if k != "X_scGPT"}, dict(want.obsm), "obsm")
    same({k: v for k, v in got.uns.items() if k != "troupe"}, dict(want.uns), "uns")
    assert (got.raw is None) == (want.raw is None)
    if got.raw is not None:
        same(got.raw.X, want.raw.X, "raw/X")
        same(got.raw.var, want.raw.var, "raw/var")
    print(f"{annotated}: {got.n_obs} cells, {labels.nunique()} types, everything else as in {original}")


if __name__ == "__main__":
    main(*sys.argv[1:])
