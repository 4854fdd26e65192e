"""Makes classification.json, clusterings.json and embeddings.json: scores as
scikit-learn computes them, and as scib defines them.

    pip install scikit-learn==1.9.1
    python make_cases.py

scib (github.com/theislab/scib, scib/metrics: silhouette.py, graph_connectivity.py)
is a thin layer over scikit-learn and scipy. Its definitions are written here
anew, from that source, so that scanpy is not needed.
"""

import json
import os

import numpy as np
from scipy.sparse.csgraph import connected_components
from sklearn import metrics
from sklearn.neighbors import kneighbors_graph

random = np.random.default_rng(20240502)


def write(name, cases):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with open(path, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")


def noisy(labels, names, share):
    """labels, with a share of them replaced by any of names."""
    replaced = random.random(len(labels)) < share
    return np.where(replaced, random.choice(names, len(labels)), labels)


def classification(name, truth, predicted):
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, predicted, average="macro", zero_division=0
    )
    labels = sorted(set(truth) | set(predicted))
    by_label = metrics.precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    return {
        "name": name,
        "truth": list(map(str, truth)),
        "predicted": list(map(str, predicted)),
        "accuracy": metrics.accuracy_score(truth, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "labels": list(map(str, labels)),
        "by_label": {
            "precision": by_label[0].tolist(),
            "recall": by_label[1].tolist(),
            "f1": by_label[2].tolist(),
            "support": [int(n) for n in by_label[3]],
        },
        "confusion": metrics.confusion_matrix(truth, predicted, labels=labels).tolist(),
    }


types = np.array(["B cell", "CD4 T cell", "CD8 T cell", "NK", "Monocyte", "δ cell", "dendritic"])
frequent = random.choice(types[:5], 300, p=[0.5, 0.3, 0.15, 0.04, 0.01])
write(
    "classification.json",
    [
        classification("noisy", frequent, noisy(frequent, types[:5], 0.3)),
        classification("unassigned", frequent[:80], noisy(frequent[:80], ["unassigned"], 0.4)),
        classification("types never predicted", frequent[:80], np.where(frequent[:80] == "B cell", "B cell", "CD4 T cell")),
        classification("types not in the truth", frequent[:60], noisy(frequent[:60], types, 0.5)),
        classification("random", random.choice(types, 120), random.choice(types, 120)),
        classification("perfect", types, types),
        classification("all wrong", ["a", "b"], ["b", "a"]),
        classification("one cell", ["a"], ["a"]),
    ],
)


def clustering(name, truth, clusters):
    return {
        "name": name,
        "truth": list(map(str, truth)),
        "clusters": list(map(int, clusters)),
        "ari": metrics.adjusted_rand_score(truth, clusters),
        "nmi": metrics.normalized_mutual_info_score(truth, clusters),
    }


numbers = np.searchsorted(np.sort(types), frequent)
write(
    "clusterings.json",
    [
        clustering("noisy", frequent, noisy(numbers, np.arange(5), 0.2)),
        clustering("many clusters", frequent, numbers * 10 + random.integers(0, 4, 300)),
        clustering("few clusters", frequent, numbers // 3),
        clustering("random", random.choice(types, 100), random.integers(0, 9, 100)),
        clustering("renamed", frequent[:50], -numbers[:50]),
        clustering("one cluster", frequent[:50], np.zeros(50)),
        clustering("one type", ["a"] * 20, random.integers(0, 3, 20)),
        clustering("one of each", ["a"] * 20, np.ones(20)),
        clustering("each its own", range(12), range(12)),
        clustering("each its own cluster", frequent[:12], range(12)),
        clustering("independent", ["a", "a", "b", "b"], [0, 1, 0, 1]),
        clustering("one cell", ["a"], [3]),
    ],
)


def batch_asw(x, types, batches):
    """scib.metrics.silhouette_batch with its defaults."""
    means = []
    for t in np.unique(types):
        x_t, b_t = x[types == t], batches[types == t]
        n = len(np.unique(b_t))
        if n == 1 or n == len(b_t):
            continue
        means.append(np.mean(1 - np.abs(metrics.silhouette_samples(x_t, b_t))))
    return np.mean(means)


def connectivity(x, types, k):
    """scib.metrics.graph_connectivity. Of scanpy's graph only its edges matter:
    cells are joined where either is among the other's k nearest."""
    directed = kneighbors_graph(x, k, include_self=False)
    graph = directed.maximum(directed.T).tocsr()
    shares = []
    for t in np.unique(types):
        cells = np.flatnonzero(types == t)
        _, parts = connected_components(graph[cells][:, cells], connection="strong")
        shares.append(np.bincount(parts).max() / len(parts))
    return np.mean(shares)


def embedding(name, x, types, batches, k):
    x = np.float32(np.round(x, 3))
    exact = x.astype(np.float64)
    silhouettes = metrics.silhouette_samples(exact, types)
    return {
        "name": name,
        "cols": x.shape[1],
        "k": k,
        "x": [float(str(v)) for v in x.ravel()],
        "types": list(map(str, types)),
        "batches": list(map(str, batches)),
        "silhouettes": [float(f"{v:.9g}") for v in silhouettes],
        "silhouette": metrics.silhouette_score(exact, types),
        "label_asw": (metrics.silhouette_score(exact, types) + 1) / 2,
        "batch_asw": batch_asw(exact, types, batches),
        "connectivity": connectivity(exact, types, k),
    }


def blobs(counts, cols, spread, shift):
    centres = {}
    cells, types, batches = [], [], []
    for t, count in counts.items():
        centre = random.normal(size=cols) * spread
        for _ in range(count):
            batch = random.integers(0, 3)
            cells.append(centre + batch * shift + random.normal(size=cols))
            types.append(t)
            batches.append("batch %d" % batch)
    order = random.permutation(len(cells))
    return np.array(cells)[order], np.array(types)[order], np.array(batches)[order]


close = blobs({"B": 70, "T": 60, "NK": 30, "Mono": 40}, 5, 1.0, 0.4)
apart = blobs({"B": 90, "T": 80, "DC": 2, "alone": 1, "NK": 37}, 8, 6.0, 0.0)
only = apart[2].copy()
only[apart[1] == "B"] = "batch 0"
split = blobs({"B": 50, "T": 45}, 3, 3.0, 5.0)
write(
    "embeddings.json",
    [
        embedding("close", *close, 5),
        embedding("apart", *apart, 4),
        embedding("a type of one batch", apart[0], apart[1], only, 3),
        embedding("batches apart", *split, 3),
        embedding("far from the origin", split[0] + 5000, split[1], split[2], 2),
        embedding("duplicates", np.repeat(split[0][:20], 2, axis=0), np.repeat(split[1][:20], 2), np.tile(["a", "b"], 20), 3),
    ],
)
