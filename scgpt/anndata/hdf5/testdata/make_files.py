#!/usr/bin/env python3
"""Makes the files here: structures of HDF5 that .h5ad files may have but the
files of testdata/h5ad do not.  python make_files.py   (h5py 3.16, HDF5 2.0)

Numbers follow a formula (mostly x[i] = i) that structures_test.go repeats.
"""
import ctypes, glob, os
import h5py, numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))
latest = dict(libver="latest")
lib = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(h5py.__file__), "../h5py.libs/libhdf5-*.so*"))[0])
lib.H5Pset_chunk_opts.argtypes = [ctypes.c_int64, ctypes.c_uint]
lib.H5Pset_shared_mesg_nindexes.argtypes = [ctypes.c_int64, ctypes.c_uint]
lib.H5Pset_shared_mesg_index.argtypes = [ctypes.c_int64, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint]


def extensible():
    """Extensible arrays with paged data blocks, and along a dimension that is not the first."""
    with h5py.File("extensible_array.h5", "w", **latest) as f:
        for name, kw in (("x", {}), ("filtered", dict(compression="gzip"))):
            d = f.create_dataset(name, (150000,), maxshape=(None,), chunks=(1,), dtype="i4", **kw)
            for i in (0, 3, 4, 90, 5000, 70000, 131071, 149999):
                d[i] = i
        d = f.create_dataset("second", (7, 50), maxshape=(7, None), chunks=(2, 3), dtype="i2")
        d[:] = np.arange(350).reshape(7, 50)
        d = f.create_dataset("third", (5, 6, 40), maxshape=(10, 6, None), chunks=(2, 4, 3), dtype="i2", compression="gzip")
        d[:] = np.arange(1200).reshape(5, 6, 40)
        d = f.create_dataset("fixed", (5, 6), maxshape=(100, 50), chunks=(2, 4), dtype="i2")
        d[:] = np.arange(30).reshape(5, 6)


def btree2():
    """A version 2 B-tree of several levels, as a chunk index."""
    with h5py.File("btree2.h5", "w", **latest) as f:
        d = f.create_dataset("x", (40, 100), maxshape=(None, None), chunks=(1, 1), dtype="i2")
        d[:] = np.arange(4000).reshape(40, 100)
        d = f.create_dataset("holes", (40, 100), maxshape=(None, None), chunks=(3, 7), dtype="i2", compression="lzf", fillvalue=9)
        d[20:23, 50:57] = 4


def implicit():
    """The implicit chunk index, and edge chunks that pass no filter."""
    with h5py.File("implicit.h5", "w", **latest) as f:
        for name, shape, maxshape in (("x", (10, 11), None), ("grows", (10, 11), (50, 11))):
            p = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            p.set_chunk((3, 4))
            p.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            d = h5py.h5d.create(f.id, name.encode(), h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple(shape, maxshape), p)
            h5py.Dataset(d)[:] = np.arange(110).reshape(10, 11)
        p = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        p.set_chunk((7, 4))
        p.set_deflate(5)
        assert lib.H5Pset_chunk_opts(p.id, 2) == 0
        d = h5py.h5d.create(f.id, b"edges", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((10, 11)), p)
        h5py.Dataset(d)[:] = np.arange(110).reshape(10, 11)


def shared():
    """Datatypes, dataspaces, filters and attributes in the heap of shared messages."""
    p = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    assert lib.H5Pset_shared_mesg_nindexes(p.id, 2) == 0
    assert lib.H5Pset_shared_mesg_index(p.id, 0, 0x0F, 10) == 0
    assert lib.H5Pset_shared_mesg_index(p.id, 1, 0x10, 10) == 0
    with h5py.File(h5py.h5f.create(b"shared.h5", h5py.h5f.ACC_TRUNC, p, h5py.h5p.create(h5py.h5p.FILE_ACCESS))) as f:
        for i in range(3):
            d = f.create_dataset(f"d{i}", data=np.arange(20.0), chunks=(5,), compression="gzip", fillvalue=3.5)
            d.attrs["text"] = "a long enough attribute value"
            d.attrs["n"] = np.arange(10)


def dense():
    """Dense links and attributes, huge and managed heap objects, named types, links of all kinds."""
    with h5py.File("dense.h5", "w", **latest) as f:
        g = f.create_group("many", track_order=True)
        for i in range(300):
            g[f"column number {i:05d} with a rather long name"] = h5py.SoftLink(f"/target/{i}")
        g = f.create_group("attrs", track_order=True)
        for i in range(20):
            g.attrs[f"attr{i}"] = f"value {i}"
        g.attrs["big"] = np.arange(10000)
        f["type"] = np.dtype("i4")
        d = f.create_dataset("named", (4,), dtype=f["type"])
        d[:] = np.arange(4)
        d.attrs.create("a", np.int32(3), dtype=f["type"])
        f["soft"] = h5py.SoftLink("named")
        f["hard"] = f["named"]
        f["external"] = h5py.ExternalLink("other.h5", "/x")
        f["dangling"] = h5py.SoftLink("/nowhere")
        f["loop"] = h5py.SoftLink("/loop")


def classic():
    """What the oldest format has: symbol tables, version 1 B-trees, fill values, types."""
    with h5py.File("classic.h5", "w") as f:
        for i in range(100):
            f.create_dataset(f"g/c{i:04d}", data=np.int8(i))
        d = f.create_dataset("deep", (900,), chunks=(2,), dtype="u2", shuffle=True, compression="gzip", fletcher32=True, maxshape=(None,))
        d[:] = np.arange(900)
        d = f.create_dataset("lzf", (30, 50), chunks=(17, 9), dtype="f8", shuffle=True, compression="lzf")
        d[:] = np.arange(1500).reshape(30, 50)
        d = f.create_dataset("holes", (30, 50), chunks=(17, 9), dtype="f8", fillvalue=-1.5)
        d[17:20, 18:20] = 2
        d = f.create_dataset("shrunk", (30, 50), chunks=(17, 9), maxshape=(None, None), dtype="i4")
        d[:] = np.arange(1500).reshape(30, 50)
        d.resize((11, 13))
        f.create_dataset("half", data=np.array([0, 1, -2, 65504, 6e-8, np.inf, -np.inf, 1 / 3], "f2"))
        d = f.create_dataset("four", (3, 4, 5, 6), chunks=(2, 2, 2, 2), dtype="u2")
        d[:] = np.arange(360).reshape(3, 4, 5, 6)
        f.create_dataset("records", data=np.zeros(5, dtype=[("a", "i4"), ("b", "f8", (2, 3)), ("c", "S5")]))
        f.create_dataset("empty", (0, 5), dtype="f4")
        f.create_dataset("null", data=h5py.Empty("f4"))
        f.create_dataset("scalar", data=3.5)
        f.create_dataset("unwritten", (3,), dtype="i8", fillvalue=7)
        f.create_dataset("texts", data=np.array(["a", "", "ü" * 3000, "d"], dtype=object))
        f.create_dataset("refs", data=np.array([f["deep"].ref, f["g"].ref], dtype=h5py.ref_dtype))
        f.create_dataset("complex", data=np.array([1 + 2j, 3]))
        f.attrs["ref"] = f["deep"].ref
        f["loop"] = f["g"]
    with h5py.File("paged_space.h5", "w", fs_strategy="page", fs_persist=True, fs_page_size=4096) as f:
        f.create_dataset("x", data=np.arange(50))
        f.create_dataset("y", data=np.arange(100))
        del f["y"]


def tiny():
    """Small files with every structure, for the fuzz tests to begin with."""
    with h5py.File("tiny_latest.h5", "w", **latest) as f:
        for i in range(12):
            f.create_dataset(f"links/{i:02d}", data=np.int8(i))
            f.attrs[f"a{i}"] = f"text {i}"
        x = np.arange(48, dtype="i2").reshape(6, 8)
        f.create_dataset("array", data=x, chunks=(3, 3), compression="gzip")
        f.create_dataset("grows", data=x, chunks=(3, 3), maxshape=(None, 8))
        f.create_dataset("tree", data=x, chunks=(3, 3), maxshape=(None, None), shuffle=True, compression="lzf")
        f.create_dataset("one", data=x, chunks=(6, 8), fletcher32=True)
        f.create_dataset("pages", (1100,), chunks=(1,), dtype="i1")[1050] = 1
        f.create_dataset("texts", data=np.array(["a", "", "ü"], dtype=object))
        f["soft"] = h5py.SoftLink("links/03")
    with h5py.File("tiny_earliest.h5", "w") as f:
        for i in range(10):
            f.create_dataset(f"links/{i:02d}", data=np.int8(i))
        x = np.arange(48, dtype="i2").reshape(6, 8)
        f.create_dataset("tree", data=x, chunks=(3, 3), compression="gzip")
        f.create_dataset("records", data=np.zeros(3, dtype=[("a", "i4"), ("b", "f8", (2,)), ("c", "S5"), ("d", "?")]))
        f.create_dataset("texts", data=np.array(["a", "", "ü"], dtype=object))
        f.attrs["ref"] = f["tree"].ref


for make in (tiny, extensible, btree2, implicit, shared, dense, classic):
    make()
