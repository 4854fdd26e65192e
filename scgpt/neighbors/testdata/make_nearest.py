"""Makes nearest.json: nearest neighbours as scikit-learn finds them.

    pip install scikit-learn==1.9.1
    python make_nearest.py

Points are rounded to a few decimals to keep the file small; scikit-learn gets
them as float32, as Go does. Each case is free of ties among the neighbours that
it lists, because scikit-learn breaks ties in no documented order.
"""

import json
import os

import numpy as np
from sklearn.neighbors import NearestNeighbors

random = np.random.default_rng(20240501)


def case(name, queries, refs, k, exclude_self=False):
    queries, refs = np.float32(queries), np.float32(refs)
    model = NearestNeighbors(algorithm="brute", metric="euclidean").fit(refs.astype(np.float64))
    wanted = k + 1 if exclude_self else k
    # With no argument scikit-learn leaves each point itself out.
    found = model.kneighbors(None if exclude_self else queries.astype(np.float64), n_neighbors=min(wanted, len(refs) - exclude_self))
    distances, indices = found[0], found[1]
    gaps = np.diff(distances, axis=1)
    assert gaps.size == 0 or gaps.min() > 1e-9, (name, gaps.min())
    return {
        "name": name,
        "cols": queries.shape[1],
        "k": k,
        "exclude_self": exclude_self,
        "queries": [float(str(v)) for v in queries.ravel()],
        "refs": [float(str(v)) for v in refs.ravel()],
        "indices": indices[:, :k].ravel().tolist(),
        "distances": [float(f"{v:.9g}") for v in distances[:, :k].ravel()],
    }


def normalised(x):
    return np.round(x / np.linalg.norm(x, axis=1, keepdims=True), 4)


normal = lambda *shape: np.round(random.normal(size=shape), 3)
own = normal(70, 6)
cases = [
    case("normal", normal(12, 9), normal(250, 9), 10),
    case("normalised", normalised(normal(10, 17)), normalised(normal(200, 17)), 7),
    case("all references", normal(5, 3), normal(40, 3), 40),
    case("one", normal(1, 1), normal(1, 1), 1),
    case("far from the origin", 10000 + normal(10, 5), 10000 + normal(210, 5), 6),
    case("scales", normal(8, 4) * [1e-3, 1, 1e3, 1e6], normal(230, 4) * [1e-3, 1, 1e3, 1e6], 9),
    case("itself", own, own, 8, exclude_self=True),
]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "nearest.json"), "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
