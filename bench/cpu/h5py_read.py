"""Read X of .h5ad files with h5py in blocks of rows, as `cpu read` does, and whole: its opponents.

usage: h5py_read.py REPEAT FILE...
"""
import json, resource, sys, time
import h5py, numpy as np

BLOCK = 256


def blocks(f):
    x = f["X"]
    indptr, indices, data, total = x["indptr"][:], x["indices"], x["data"], 0.0
    for start in range(0, len(indptr) - 1, BLOCK):
        lo, hi = indptr[start], indptr[min(start + BLOCK, len(indptr) - 1)]
        total += float(data[lo:hi].sum(dtype=np.float64)) + int(indices[lo:hi].max(initial=0))
    return total


def whole(f):
    x = f["X"]
    x["indptr"][:], x["indices"][:]
    return float(x["data"][:].sum(dtype=np.float64))


for path in sys.argv[2:]:
    for name, read in (("blocks", blocks), ("whole", whole)):
        seconds, cpu = [], []
        for _ in range(int(sys.argv[1])):
            u, t = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
            with h5py.File(path) as f:
                read(f)
            v = resource.getrusage(resource.RUSAGE_SELF)
            seconds.append(time.perf_counter() - t)
            cpu.append(v.ru_utime + v.ru_stime - u.ru_utime - u.ru_stime)
        print(json.dumps(dict(file=path, how=name, seconds=min(seconds), cpu_seconds=min(cpu), h5py=h5py.__version__)))
