"""Opens an annotated copy with anndata, every warning an error, and holds it against its input.

usage: check_annotated.py ANNOTATED.h5ad INPUT.h5ad

Checks that obs["predicted_labels"], obs["conf_score"], obsm["X_scGPT"] and uns["troupe"] are there and make
sense, and that everything else is as in the input. Exit code 0 if so.
"""

import sys
import warnings

warnings.simplefilter("error")

import anndata
import numpy as np
import pandas as pd

from same import same_but_for

ADDED_OBS = ["predicted_labels", "conf_score"]


def main(annotated, original):
    got, want = anndata.read_h5ad(annotated), anndata.read_h5ad(original)

    labels, confidence, embedding = got.obs["predicted_labels"], got.obs["conf_score"], got.obsm["X_scGPT"]
    assert isinstance(labels.dtype, pd.CategoricalDtype) and labels.notna().all()
    assert confidence.dtype == np.float32 and confidence.between(0, 1).all()
    assert embedding.dtype == np.float32 and embedding.shape[0] == got.n_obs
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    assert {"agent", "version", "model", "fingerprint", "device", "precision", "method"} <= set(got.uns["troupe"])

    same_but_for(got, want, obs=ADDED_OBS, obsm=["X_scGPT"], uns=["troupe"])
    print(f"{annotated}: {got.n_obs} cells, {labels.nunique()} types, everything else as in {original}")


if __name__ == "__main__":
    main(*sys.argv[1:])
