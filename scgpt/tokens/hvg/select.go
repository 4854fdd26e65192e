package hvg

import (
	"cmp"
	"context"
	"slices"
)

// A Result is a choice of genes.
type Result struct {
	// Columns are the columns of the chosen genes, ascending.
	Columns []int

	// Genes holds the figures of all genes, by column.
	Genes []Gene

	// Fractions is the number of values that are not whole numbers. With
	// SeuratV3 it is 0 unless they were allowed.
	Fractions int64

	// Warnings say what makes the choice less sure, in sentences for the user.
	Warnings []string
}

// A Gene holds what the choice rests on.
type Gene struct {
	// Mean is the mean over all cells; with CellRanger and batches, that of the
	// batches' means.
	Mean float64

	// Dispersion is the variance over all cells (SeuratV3), or variance over
	// mean, averaged over the batches (CellRanger).
	Dispersion float64

	// Score is the standardised variance or dispersion, averaged over the
	// batches. It is NaN where the genes of the bin differ in nothing.
	Score float64

	// Rank is the gene's place by Score, 0 for the most variable one; with
	// SeuratV3 and batches, the median over the batches that choose the gene,
	// and NaN where none does.
	Rank float64

	// Batches is the number of batches that choose the gene.
	Batches int
}

// Select chooses the highly variable ones of a number of genes. Data that the
// flavor cannot use give a [DataError]; cells must return what it returned
// before when it is called again.
func Select(ctx context.Context, genes int, cells Source, opts Options) (*Result, error) {
	opts, err := opts.check(genes)
	if err != nil {
		return nil, err
	}
	g, err := newGroups(opts.Batches, genes)
	if err != nil {
		return nil, err
	}
	check := checkFinite
	if opts.Flavor == SeuratV3 && !opts.AllowFractions {
		check = checkCount
	}
	m, err := gather(ctx, genes, cells, g, check)
	if err != nil {
		return nil, err
	}
	if opts.Flavor == CellRanger {
		return m.cellRanger(opts), nil
	}
	return m.seuratV3(ctx, cells, opts)
}

// choose takes the first n genes in an order of columns.
func (r *Result) choose(order []int, n int) *Result {
	r.Columns = slices.Sorted(slices.Values(order[:n]))
	return r
}

// columns returns 0 to n-1.
func columns(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// descending compares scores, the highest first and NaN last. (cmp.Compare takes
// NaN for less than anything.)
func descending(a, b float64) int { return cmp.Compare(b, a) }
