"""Write the cells of an .h5ad file several times over.

usage: make_repeated.py IN.h5ad OUT.h5ad TIMES
"""
import sys
import anndata, scipy.sparse as sp

a = anndata.read_h5ad(sys.argv[1])
times = int(sys.argv[3])
b = anndata.AnnData(sp.vstack([sp.csr_matrix(a.X)] * times, format="csr"), var=a.var)
b.write_h5ad(sys.argv[2], compression="gzip")
