package projection

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// UMAPOptions tune [UMAP]. The zero value is scanpy's default.
type UMAPOptions struct {
	// Neighbors is the number of cells, the cell itself among them, that
	// tell where a cell belongs: the more, the more the layout shows of the
	// whole and the less of its details. 0 is 15; there are never more than
	// cells.
	Neighbors int
	// Epochs is how often the layout is improved; 0 is 500 for up to 10,000
	// cells, and 200 for more.
	Epochs int
	// Seed of the random numbers. Another seed gives another layout that is
	// about as good.
	Seed uint64
	// Threads is the most goroutines that look for neighbours; 0 is
	// GOMAXPROCS. The result does not depend on it.
	Threads int
}

// UMAP lays cells out in two dimensions so that neighbours stay neighbours
// (McInnes, Healy and Melville 2018, arXiv:1802.03426). x has a row per cell; the
// result has two columns.
//
// It is umap-learn's algorithm with exact neighbours, Euclidean distances, the
// first two principal components as the start, and a min_dist of 0.5, which is
// scanpy's. Random numbers come from a generator of its own, and one goroutine
// improves the layout, so the same input gives the same bytes. The layouts are
// as trustworthy as umap-learn's, see the tests, but not the same.
//
// Distances between clusters and their sizes mean little in such a picture.
//
// Time is that of [neighbors.Search] of the cells among themselves, and
// proportional to the number of cells, of neighbours and of epochs. Rows are
// at least 1, columns at most [MaxColumns]. When ctx ends, UMAP returns its
// error.
func UMAP(ctx context.Context, x neighbors.Matrix, options UMAPOptions) (neighbors.Matrix, error) {
	if err := x.Check("x"); err != nil {
		return neighbors.Matrix{}, err
	}
	switch {
	case options.Neighbors < 0 || options.Neighbors == 1:
		return neighbors.Matrix{}, invalidf("options.Neighbors", "%d, but it must be at least 2, or 0 for 15", options.Neighbors)
	case options.Epochs < 0:
		return neighbors.Matrix{}, invalidf("options.Epochs", "%d, but it must be at least 1, or 0 for a number that suits the cells", options.Epochs)
	}
	k := options.Neighbors
	if k == 0 {
		k = 15
	}
	epochs := options.Epochs
	if epochs == 0 {
		epochs = 500
		if x.Rows > 10_000 {
			epochs = 200
		}
	}
	if x.Rows == 1 {
		return neighbors.Matrix{Data: make([]float32, 2), Rows: 1, Cols: 2}, nil
	}
	found, err := neighbors.Search(ctx, x, x, min(k, x.Rows)-1, neighbors.Options{Threads: options.Threads, ExcludeSelf: true})
	if err != nil {
		return neighbors.Matrix{}, err
	}
	l, err := newLayout(ctx, x, options)
	if err != nil {
		return neighbors.Matrix{}, err
	}
	if err := l.improve(ctx, newFuzzySet(found), epochs); err != nil {
		return neighbors.Matrix{}, err
	}
	return l.matrix(), nil
}
