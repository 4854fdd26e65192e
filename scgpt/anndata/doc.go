// Package anndata reads and writes .h5ad files, the AnnData format of
// single-cell analysis: cells are rows ("obs"), genes are columns ("var").
//
// # Reading
//
// [Open] takes what anndata 0.6 to today's wrote: X, raw and layers as CSR,
// CSC or dense matrices of any number type, obs and var with texts,
// categories, numbers, booleans and their nullable forms. A [Matrix] is read
// in blocks of rows, in sequence ahead of their use ([Matrix.Blocks]) or each by
// itself; memory is that of the blocks plus a constant, whatever the size of the file. A CSC matrix is sorted by rows once into a temporary file,
// which [File.Close] removes.
//
// Everything is checked before it is used: a row index beyond the matrix, a
// code without a category or a column of the wrong length is a [DataError]
// that names the file, the field and what would be right. Values themselves
// are passed on as they are, NaN and infinities included.
//
// # 10x Genomics
//
// [Open] takes what Cell Ranger writes too, and others as it does: an .h5 file,
// or a folder with matrix.mtx, features.tsv (once genes.tsv) and barcodes.tsv,
// compressed by gzip or not. Cells are the barcodes, genes the features of the
// type "Gene Expression", unless [WithAllFeatures] is given. The row names of var
// are the symbols, which need not be unique; "gene_ids" and "feature_types" are
// columns. An .h5 file is read in blocks where they lie; matrix.mtx is sorted
// once, as a CSC matrix is.
//
// # Writing
//
// [Copy] writes a copy of a file with columns, arrays and values added and
// nothing else changed; of a matrix of 10x Genomics it makes an .h5ad file.
// [Write] writes a file of results alone. Both write beside the final name and
// rename, so that a file is whole or not there.
//
// The encodings follow "on-disk format" in the documentation of the Python
// package anndata.
package anndata
