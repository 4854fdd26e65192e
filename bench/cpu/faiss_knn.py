"""Exact k nearest neighbours with faiss: the opponent of `cpu knn`, on data of the same kind.

usage: faiss_knn.py QUERIES REFS COLS K REPEAT
"""
import json, resource, sys, time
import faiss, numpy as np

nq, nr, d, k, repeat = map(int, sys.argv[1:])
rng = np.random.default_rng(1)


def unit(n):
    x = rng.standard_normal((n, d), dtype=np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


index = faiss.IndexFlatL2(d)
index.add(unit(nr))
queries = unit(nq)
seconds, cpu = [], []
for _ in range(repeat):
    u, t = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    index.search(queries, k)
    v = resource.getrusage(resource.RUSAGE_SELF)
    seconds.append(time.perf_counter() - t)
    cpu.append(v.ru_utime + v.ru_stime - u.ru_utime - u.ru_stime)
print(json.dumps(dict(queries=nq, refs=nr, cols=d, k=k, seconds=min(seconds), cpu_seconds=min(cpu), faiss=faiss.__version__,
                      options=faiss.get_compile_options().strip(), threads=faiss.omp_get_max_threads())))
