"""Writes ttest.json: a small matrix, groups, and Welch's t of each gene in each group against all other cells.

usage: scripts/python.sh scgpt/markers/testdata/make_ttest.py > scgpt/markers/testdata/ttest.json
"""

import json

import numpy as np
from scipy import stats

rng = np.random.default_rng(5)
cells, genes = 60, 25
x = np.where(rng.random((cells, genes)) < 0.4, rng.gamma(2, 1, (cells, genes)), 0).astype(np.float32)
groups = rng.integers(-1, 3, cells)
x[groups == 0, 3] += 2
x[groups == 1, 7] += 3
x[:, 11] = 0
t = []
for g in range(3):
    r = stats.ttest_ind(x[groups == g].astype(float), x[groups != g].astype(float), equal_var=False)
    t.append([None if np.isnan(v) else float(v) for v in r.statistic])
print(json.dumps({"x": [[float(v) for v in row] for row in x], "groups": groups.tolist(), "t": t}))
