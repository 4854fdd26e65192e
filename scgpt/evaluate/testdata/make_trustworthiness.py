"""Makes trustworthiness.json: what scikit-learn says of some projections.

    pip install scikit-learn==1.9.1
    python make_trustworthiness.py

No two distances that matter are equal: scikit-learn breaks ties in no documented
order.
"""

import json
import os

import numpy as np
from sklearn.manifold import trustworthiness

random = np.random.default_rng(20240603)


def case(name, x, projected, k):
    x, projected = np.float32(np.round(x, 3)), np.float32(np.round(projected, 4))
    return {
        "name": name,
        "cols": x.shape[1],
        "k": k,
        "x": [float(str(v)) for v in x.ravel()],
        "projected": [float(str(v)) for v in projected.ravel()],
        "trustworthiness": trustworthiness(x.astype(np.float64), projected.astype(np.float64), n_neighbors=k),
    }


x = random.normal(size=(80, 6)) * [5, 4, 1, 1, 1, 1]
cases = [
    case("two of six columns", x, x[:, :2], 12),
    case("the columns that say least", x, x[:, 4:], 5),
    case("random", x, random.normal(size=(80, 2)), 12),
    case("itself", x[:30], x[:30], 7),
    case("one neighbour", x[:20], x[:20, :2], 1),
    case("almost half", x[:21], x[:21, :2], 10),
    case("three cells", x[:3], x[:3, :2], 1),
]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "trustworthiness.json"), "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
