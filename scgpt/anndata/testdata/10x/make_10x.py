"""Writes matrices as Cell Ranger and others write them, and manifest.json: what
scanpy reads of them.

    pip install scanpy==1.11.5 anndata==0.12.19 h5py==3.16.0 scipy==1.17.1 numpy==2.2.6
    python make_10x.py

The counts are those of 40 cells of celltypist_sample.h5ad in the repository's
testdata/cells (origin and licence stand there); ids, barcodes and antibodies are
made up.
"""

import gzip
import json
import pathlib
import shutil
import warnings

import anndata as ad
import h5py
import numpy as np
import scanpy as sc
from scipy import sparse

warnings.simplefilter("ignore")
here = pathlib.Path(__file__).resolve().parent
cells = next(p / "testdata/cells" for p in here.parents if (p / "testdata/cells").is_dir())

source = ad.read_h5ad(cells / "celltypist_sample.h5ad")[100:140, 200:360]
counts = sparse.csr_matrix(source.X).astype(np.int32)
symbols = list(source.var_names)
symbols[31] = symbols[30]  # two genes of one name, as TBCE in GRCh38
ids = [f"ENSG{11 * i + 300000:011d}" for i in range(len(symbols))]
rng = np.random.default_rng(0)
barcodes = ["".join(rng.choice(list("ACGT"), 16)) + "-1" for _ in range(counts.shape[0])]

antibodies = ["CD3_TotalSeqB", "CD4", "CD8A"]  # of which two are named as genes are
protein = sparse.csr_matrix(rng.poisson(20, (counts.shape[0], len(antibodies))).astype(np.int32))
# Antibodies amid the genes, so that leaving them out moves columns.
at = [10, 80, len(symbols)]
mixed_symbols, mixed_ids, types, columns = [], [], [], []
for i in range(len(symbols) + 1):
    for k, a in enumerate(at):
        if a == i:
            mixed_symbols.append(antibodies[k])
            mixed_ids.append(f"AB{k}")
            types.append("Antibody Capture")
            columns.append(protein[:, [k]])
    if i < len(symbols):
        mixed_symbols.append(symbols[i])
        mixed_ids.append(ids[i])
        types.append("Gene Expression")
        columns.append(counts[:, [i]])
mixed = sparse.csr_matrix(sparse.hstack(columns))
genes_only = ["Gene Expression"] * len(symbols)


def texts(values):
    return np.array([v.encode() for v in values])


def put(group, name, values):
    group.create_dataset(name, data=values, chunks=(37,), maxshape=(None,), compression="gzip", compression_opts=4, shuffle=True)


def matrix_into(group, m, index=np.int64):
    put(group, "data", m.data.astype(np.int32))
    put(group, "indices", m.indices.astype(index))
    put(group, "indptr", m.indptr.astype(index))
    group.create_dataset("shape", data=np.array([m.shape[1], m.shape[0]], dtype=np.int32))


def v3(path, m, symbols, ids, types):
    with h5py.File(path, "w") as f:
        f.attrs["chemistry_description"] = "Single Cell 3' v3"
        f.attrs["filetype"] = "matrix"
        f.attrs["library_ids"] = texts(["made_up"])
        f.attrs["original_gem_groups"] = np.array([1])
        f.attrs["version"] = 2
        g = f.create_group("matrix")
        put(g, "barcodes", texts(barcodes))
        matrix_into(g, m)
        features = g.create_group("features")
        features.create_dataset("_all_tag_keys", data=texts(["genome"]))
        put(features, "feature_type", texts(types))
        put(features, "genome", texts(["GRCh38" if t == "Gene Expression" else "" for t in types]))
        put(features, "id", texts(ids))
        put(features, "name", texts(symbols))


def v2(path, genomes):
    with h5py.File(path, "w") as f:
        f.attrs["filetype"] = "matrix"
        for genome, m in genomes.items():
            g = f.create_group(genome)
            put(g, "barcodes", texts(barcodes))
            put(g, "gene_names", texts(symbols))
            put(g, "genes", texts(ids))
            matrix_into(g, m)


def write(path, text):
    data = text.encode()
    if path.suffix == ".gz":
        with open(path, "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
            z.write(data)
    else:
        path.write_bytes(data)


def folder(name, m, features, ext="", prefix="", kind="features", field="integer", shuffled=False, end="\n", comment="%\n"):
    path = here / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    coo = sparse.coo_matrix(m)  # cells × genes, cell after cell
    entries = list(zip(coo.col + 1, coo.row + 1, coo.data, strict=True))
    if shuffled:
        rng.shuffle(entries)
    lines = [f"%%MatrixMarket matrix coordinate {field} general", *comment.splitlines(), f"{m.shape[1]} {m.shape[0]} {len(entries)}"]
    lines += [f"{int(i)} {int(j)} {v:g}" for i, j, v in entries]
    write(path / f"{prefix}matrix.mtx{ext}", "".join(line + end for line in lines))
    write(path / f"{prefix}{kind}.tsv{ext}", "".join("\t".join(f) + end for f in features))
    write(path / f"{prefix}barcodes.tsv{ext}", "".join(b + end for b in barcodes))


v3(here / "v3.h5", counts, symbols, ids, genes_only)
v3(here / "v3_antibodies.h5", mixed, mixed_symbols, mixed_ids, types)
v2(here / "v2.h5", {"GRCh38": counts})
v2(here / "v2_two_genomes.h5", {"hg19": counts, "mm10": counts[::-1]})
folder("v3", counts, list(zip(ids, symbols, genes_only)), ".gz",
       comment='%metadata_json: {"software_version": "cellranger-7.1.0", "format_version": 2}\n')
folder("v3_antibodies", mixed, list(zip(mixed_ids, mixed_symbols, types)), ".gz")
folder("v2", counts, list(zip(ids, symbols)), kind="genes")
# As deposits have them: a sample's name before the files' names, lines that end
# as on Windows, entries in any order, values corrected for ambient RNA.
corrected = counts.astype(np.float32)
corrected.data = np.round(corrected.data * 0.93, 3).astype(np.float32)
folder("sample", corrected, list(zip(ids, symbols, genes_only)), prefix="GSM1_donor_", field="real", shuffled=True, end="\r\n")


def weighted(x):
    """A sum to which every entry adds according to its place."""
    coo = sparse.coo_matrix(x)
    return float(np.sum((coo.row + 1.0) * (coo.col + 1.0) * coo.data.astype(np.float64)))


def describe(a, dtype, encoding):
    x = sparse.csr_matrix(a.X)
    return {
        "n_obs": a.n_obs,
        "n_vars": a.n_vars,
        "encoding": encoding,
        "dtype": dtype,
        "nnz": int(x.nnz),
        "sum": float(np.sum(x.data, dtype=np.float64)),
        "weighted": weighted(x),
        "obs_names": list(a.obs_names),
        "var_names": list(a.var_names),
        "var": {c: [str(v) for v in a.var[c]] for c in a.var.columns},
    }


manifest = {}
for name in ["v3.h5", "v3_antibodies.h5", "v2.h5"]:
    manifest[name] = describe(sc.read_10x_h5(here / name), "int32", "csr")
manifest["v3_antibodies.h5 all"] = describe(sc.read_10x_h5(here / "v3_antibodies.h5", gex_only=False), "int32", "csr")
for genome in ["hg19", "mm10"]:
    manifest[f"v2_two_genomes.h5 {genome}"] = describe(sc.read_10x_h5(here / "v2_two_genomes.h5", genome=genome), "int32", "csr")
for name in ["v3", "v3_antibodies", "v2"]:
    manifest[name] = describe(sc.read_10x_mtx(here / name, make_unique=False, cache=False), "int64", "mtx")
manifest["v3_antibodies all"] = describe(sc.read_10x_mtx(here / "v3_antibodies", make_unique=False, gex_only=False), "int64", "mtx")
# scanpy reads compressed files of this version only.
plain = here / "sample_gz"
plain.mkdir(exist_ok=True)
for p in (here / "sample").iterdir():
    write(plain / (p.name + ".gz"), p.read_text())
manifest["sample"] = describe(sc.read_10x_mtx(plain, make_unique=False, prefix="GSM1_donor_"), "float64", "mtx")
shutil.rmtree(plain)
(here / "manifest.json").write_text("{\n" + ",\n".join(json.dumps(k) + ": " + json.dumps(v, separators=(",", ":")) for k, v in manifest.items()) + "\n}\n")
