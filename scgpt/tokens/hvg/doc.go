// Package hvg chooses highly variable genes: those whose values differ more
// from cell to cell than those of other genes of the same mean. scGPT's
// fine-tuned models were trained on such a choice (its Preprocessor, subset_hvg).
//
//	chosen, err := hvg.Select(ctx, genes, cells, hvg.Options{Flavor: hvg.SeuratV3, N: 1200, Batches: batches})
//
// [Select] reads the cells as a stream of blocks, once or twice, and keeps a few
// numbers per gene and batch, so memory does not depend on the number of cells.
// The same stream gives the same genes, bit by bit.
//
// # Parity
//
// Both flavors follow scanpy.pp.highly_variable_genes of scanpy 1.11 with
// n_top_genes; the tests hold them against its output on real cells, with and
// without batches. What differs is said here:
//
//   - Exactly N genes are chosen. Where scores tie, the gene that comes first in
//     the matrix wins; scanpy's order of ties depends on its sorting routine
//     (seurat_v3), on the names of the genes (cell_ranger with batches), or all
//     that tie are chosen (cell_ranger without).
//   - Genes are columns. scanpy merges columns of the same name when there are
//     batches.
//   - seurat_v3: where the local fit of the variances is singular, scanpy stops
//     with scikit-misc's "reciprocal condition number"; here, as in R, the
//     pseudo-inverse decides and [Result.Warnings] says so.
//   - cell_ranger: many genes of one and the same mean make bins that coincide,
//     with which scanpy stops ("Bin edges must be unique"); here they are one bin.
//   - Values are squared in double precision.
//
// # The local fit
//
// seurat_v3 standardises by a loess fit of the variances on the means. Like
// scikit-misc, which wraps the dloess of Cleveland, Grosse and Shyu, the local
// regression (quadratic, tricube weights) is computed at the vertices of a tree
// of cells only, and blended between them by cubic Hermite polynomials; see
// Cleveland and Grosse, "Computational methods for local regression", Statistics
// and Computing 1 (1991). Fitted values agree with scikit-misc's to about 1e-12.
package hvg
