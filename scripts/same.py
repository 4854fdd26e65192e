"""Compares what AnnData objects are made of."""

import numpy as np
import pandas as pd
import scipy.sparse as sp


def same(a, b, where):
    """Asserts that two elements of an AnnData are equal, dtype included."""
    if sp.issparse(a):
        assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape, where
        assert (a != b).nnz == 0, where
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


def same_but_for(got, want, obs=(), obsm=(), uns=()):
    """Asserts that an AnnData is another one with names added, or replaced, in obs, obsm and uns."""
    same(got.X, want.X, "X")
    same(got.obs.drop(columns=list(obs)), want.obs.drop(columns=list(obs), errors="ignore"), "obs")
    same(got.var, want.var, "var")
    for name in ("layers", "varm", "obsp", "varp"):
        same(dict(getattr(got, name)), dict(getattr(want, name)), name)
    for name, added in (("obsm", obsm), ("uns", uns)):
        same({k: v for k, v in getattr(got, name).items() if k not in added},
             {k: v for k, v in getattr(want, name).items() if k not in added}, name)
    assert (got.raw is None) == (want.raw is None)
    if got.raw is not None:
        same(got.raw.X, want.raw.X, "raw/X")
        same(got.raw.var, want.raw.var, "raw/var")
