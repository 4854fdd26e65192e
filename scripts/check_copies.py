"""Opens what the program writes with anndata and scanpy, every warning an error, and holds it against its input.

usage: check_copies.py SCGPT [FILE…], SCGPT being the program built from examples/scgpt

For each file (default: all sound ones in testdata) `embed` writes a copy with the embeddings added: everything else must
be as anndata reads it from the input. For the cells with a model that knows them, `annotate` does, and for 10x Genomics'
files `embed` writes an .h5ad file that scanpy's readers agree with. `genes` writes a file of results alone.
"""

import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anndata
    import scanpy

import h5py
import numpy as np

from same import same_but_for

# anndata 0.12 writes what anndata 0.13 does only when it is told to.
if hasattr(anndata.settings, "allow_write_nullable_strings"):
    anndata.settings.allow_write_nullable_strings = True

ROOT = Path(__file__).resolve().parent.parent
TENX = ROOT / "scgpt/anndata/testdata/10x"
# Files that anndata itself cannot read.
UNREADABLE = {"contig_bigendian.h5ad": "scipy takes no big-endian numbers"}


def run(program, *args):
    done = subprocess.run([program, *map(str, args)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, (args, done.stderr)


def read(path, ignore="nothing"):
    """Reads an output, by both packages, without a warning but one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # anndata 0.13.4 asks pandas 3.1 for an option that goes away, whatever the file.
        warnings.filterwarnings("ignore", message="The 'future.infer_string' option is deprecated")
        warnings.filterwarnings("ignore", message=ignore)
        got = anndata.read_h5ad(path)
        same_but_for(scanpy.read_h5ad(path), got)
        return got


def read_input(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return anndata.read_h5ad(path)


def check_embedding(got):
    e = got.obsm["X_scGPT"]
    assert e.dtype == np.float32 and e.shape[0] == got.n_obs and np.isfinite(e).all()
    np.testing.assert_allclose(np.linalg.norm(e, axis=1), 1, atol=1e-5)
    assert got.uns["troupe"]["agent"] == "scgpt"


def copy(program, path, out):
    layer = [] if "X" in keys(path) else ["--layer", "counts"]
    run(program, "embed", "--data", path, "--out", out, "--min-gene-share", "0", *layer)
    got = read(out)
    check_embedding(got)
    same_but_for(got, read_input(path), obsm=["X_scGPT"], uns=["troupe"])
    if got.n_obs:
        # What comes of it in Python is as sound as the file.
        again = out.with_suffix(".again.h5ad")
        got.write_h5ad(again)
        same_but_for(read(again), got)


def keys(path):
    with h5py.File(path) as f:
        return set(f)


def annotated(program, path, out):
    run(program, "annotate", "--data", path, "--out", out)
    got = read(out)
    check_embedding(got)
    assert got.obs["predicted_labels"].notna().all()
    same_but_for(got, read_input(path), obs=["predicted_labels", "conf_score"], obsm=["X_scGPT"], uns=["troupe"])
    # The second run replaces what the first one added.
    twice = out.with_suffix(".twice.h5ad")
    run(program, "annotate", "--data", out, "--out", twice)
    same_but_for(read(twice), got)


def tenx(program, path, out):
    run(program, "embed", "--data", path, "--out", out, "--min-gene-share", "0")
    # Symbols need not be unique there.
    got = read(out, ignore="Variable names are not unique")
    check_embedding(got)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = scanpy.read_10x_mtx(path) if path.is_dir() else scanpy.read_10x_h5(path)
    assert list(got.obs_names) == list(want.obs_names)
    assert got.shape == want.shape
    np.testing.assert_array_equal(got.X.toarray(), want.X.toarray())
    assert list(got.var["gene_ids"]) == list(want.var["gene_ids"])


def main(program, *paths):
    program = Path(program).resolve()
    paths = [Path(p) for p in paths] or [
        p for p in sorted((ROOT / "testdata/h5ad").glob("*.h5ad")) if not p.name.startswith("bad_")
    ] + sorted((ROOT / "testdata/cells").glob("*.h5ad"))
    checked = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for path in paths:
            if path.name in UNREADABLE:
                print(f"left out: {path.name}: {UNREADABLE[path.name]}")
                continue
            try:
                copy(program, path, folder / path.name)
                if path.parent.name == "cells":
                    annotated(program, path, folder / f"annotated_{path.name}")
            except Exception as e:
                raise AssertionError(f"{path}") from e
            checked += 1
        for name in ("v2", "v3", "v3_antibodies", "v2.h5", "v3.h5", "v3_antibodies.h5"):
            tenx(program, TENX / name, folder / f"10x_{name}.h5ad")
            checked += 1
        run(program, "genes", "--genes", "CD3D,LYZ,NKG7", "--similarity", "--out", folder / "genes.h5ad")
        genes = read(folder / "genes.h5ad")
        assert list(genes.obs_names) == ["CD3D", "LYZ", "NKG7"] and genes.obsm["similarity"].shape == (3, 3)
    packages = ", ".join(f"{p} {version(p)}" for p in ("anndata", "scanpy"))
    print(f"{packages}: {checked} files copied, as they were but for what was added")


if __name__ == "__main__":
    main(*sys.argv[1:])
