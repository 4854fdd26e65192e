// Package reference holds labelled cells as a model sees them, so that other cells
// get the labels of those that they resemble: what scGPT calls reference
// mapping. A reference is a folder:
//
//	reference.json   what it was made from and by (Manifest)
//	cells-….h5ad     obs["cell_type"], obsm["X_scGPT"]; scanpy opens it
//
// It belongs to one checkpoint: embeddings of another one say nothing about it,
// and are refused. [Build] makes a reference from a labelled .h5ad file, [Open]
// opens it, and [Reference.Label] transfers labels: of the k reference cells
// nearest to a cell, by the angle between their embeddings, the label that most
// of them have, with their share as the confidence.
//
// The way that cells are turned into tokens is the reference's too, so that a cell
// is embedded in the same way on both sides.
package reference
