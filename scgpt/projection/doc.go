// Package projection brings cells from many dimensions down to few: [PCA] for a
// linear view and for distances that leave noise out, [UMAP] for a picture.
//
//	components, err := projection.PCA(ctx, projection.Dense(x), x.Cols, 50, projection.Options{})
//	scores, err := components.Transform(ctx, projection.Dense(x))
//	layout, err := projection.UMAP(ctx, scores, projection.UMAPOptions{})
//
// The same input gives the same bytes, whatever the number of threads and
// whatever the processor: sums have one order, products are not fused with sums,
// and the functions of the standard library that have assembly of their own on
// some processors are not used.
//
// All functions are safe for concurrent use and modify nothing that they are
// given.
package projection
