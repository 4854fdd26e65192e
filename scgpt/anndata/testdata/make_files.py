#!/usr/bin/env python3
"""Makes claims.h5ad: shapes of a billion cells and a million genes with nothing
stored behind them.  python make_files.py   (h5py 3.16, HDF5 2.0)
"""
import os
import h5py

os.chdir(os.path.dirname(os.path.abspath(__file__)))
cells, genes = 10**9, 10**6
with h5py.File("claims.h5ad", "w") as f:
    f.attrs["encoding-type"], f.attrs["encoding-version"] = "anndata", "0.1.0"
    for name, n in (("obs", cells), ("var", genes)):
        g = f.create_group(name)
        g.attrs["_index"], g.attrs["column-order"] = "_index", ["c", "k"]
        g.create_dataset("_index", (n,), chunks=(1000,), dtype=h5py.string_dtype(), compression="gzip")
        g.create_dataset("c", (n,), chunks=(1000,), dtype="f8")
        g.create_dataset("k/codes", (n,), chunks=(1000,), dtype="i1")
        g.create_dataset("k/categories", (cells,), chunks=(1000,), dtype=h5py.string_dtype())
    d = f.create_dataset("X", (cells, genes), chunks=(1000, 1000), dtype="f4", compression="gzip")
    for name in ("csr", "csc"):
        g = f.create_group("layers/" + name)
        g.attrs["encoding-type"], g.attrs["encoding-version"] = name + "_matrix", "0.1.0"
        g.attrs["shape"] = [cells, genes]
        lines = cells if name == "csr" else genes
        g.create_dataset("data", (lines * 1000,), chunks=(1000,), dtype="f4", fillvalue=1)
        g.create_dataset("indices", (lines * 1000,), chunks=(1000,), dtype="i4", fillvalue=7)
        p = g.create_dataset("indptr", (lines + 1,), chunks=(1000,), dtype="i8")
        p[-1] = lines * 1000
    f.create_dataset("obsm/big", (cells, 50), chunks=(1000, 50), dtype="f4")
    f.create_dataset("uns/big", (cells,), chunks=(1000,), dtype="f4")


def old_frames(f):
    """Frames as anndata 0.7 wrote them, so that a copy has to change every object."""
    for name in ("obs", "var"):
        g = f.create_group(name)
        g.attrs["encoding-type"], g.attrs["encoding-version"] = "dataframe", "0.1.0"
        g.attrs["_index"], g.attrs["column-order"] = "_index", ["c"]
        g.create_dataset("_index", data=["a", "b"])
        g.create_dataset("c", data=[1, 2])


# Groups that contain themselves, and one that would be 2^30 if it were a tree.
for name in ("self_uns", "self_column", "doubling"):
    with h5py.File(name + ".h5ad", "w") as f:
        old_frames(f)
        uns = f.create_group("uns")
        if name == "self_uns":
            uns["again"] = uns
        elif name == "self_column":
            del f["obs/c"]
            f["obs/c"] = f["obs"]
        else:
            group = f.create_group("bottom")
            for i in range(30):
                above = f.create_group(f"level{i}", track_order=True)
                above["left"], above["right"] = group, group
                group = above
            uns["top"] = group
            for i in range(30):
                del f[f"level{i}"]
            del f["bottom"]
