// Package markers finds the genes that set a group of cells apart from all other
// cells.
package markers

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
)

// Source calls yield with the expressed genes of each cell, in order, and returns
// the first error, its own or yield's. Values are log-normalised. Slices are not
// kept after yield returns.
type Source func(yield func(cell int, genes []int32, values []float32) error) error

// Gene is a gene as it is in a group.
type Gene struct {
	// Index is the number of the gene.
	Index int
	// Score is Welch's t: the difference of the means in the group and in all
	// other cells, over the standard error of that difference.
	Score float64
	// Mean is that in the group, Rest that in all other cells.
	Mean, Rest float64
}

// None is the group of a cell that is in none: it counts among the other cells of
// every group.
const None = -1

// MaxGroups bounds the memory of [Rank]: 16 bytes per gene and group.
const MaxGroups = 500

// Rank returns, for each group, its top genes by score, best first, of those that
// are expressed more in the group than in the rest. groups has the number of each
// cell's group, from 0, or [None]. Of equal scores the gene of the lower number is
// first.
//
// The scores are those of scanpy's rank_genes_groups with method="t-test"; a gene
// whose values are all equal, in the group and in the rest, has none.
func Rank(ctx context.Context, cells Source, genes int, groups []int, top int) ([][]Gene, error) {
	n := 0
	for i, g := range groups {
		if g < None || g >= MaxGroups {
			return nil, fmt.Errorf("markers: groups[%d] = %d, want %d to %d", i, g, None, MaxGroups-1)
		}
		n = max(n, g+1)
	}
	all := newMoments(genes)
	of := make([]*moments, n)
	for i := range of {
		of[i] = newMoments(genes)
	}
	err := cells(func(cell int, columns []int32, values []float32) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if cell < 0 || cell >= len(groups) {
			return fmt.Errorf("markers: cell %d, but there are %d", cell, len(groups))
		}
		if err := all.add(columns, values); err != nil {
			return err
		}
		if g := groups[cell]; g != None {
			return of[g].add(columns, values)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ranked := make([][]Gene, n)
	for i, m := range of {
		ranked[i] = m.rank(all, top)
	}
	return ranked, nil
}

// moments are sums over the cells of a group, per gene.
type moments struct {
	cells        float64
	sum, squares []float64
}

func newMoments(genes int) *moments {
	return &moments{sum: make([]float64, genes), squares: make([]float64, genes)}
}

func (m *moments) add(genes []int32, values []float32) error {
	m.cells++
	for k, g := range genes {
		if g < 0 || int(g) >= len(m.sum) {
			return fmt.Errorf("markers: gene %d, but there are %d", g, len(m.sum))
		}
		v := float64(values[k])
		m.sum[g] += v
		m.squares[g] += v * v
	}
	return nil
}

// rank compares a group with the rest of all cells.
func (m *moments) rank(all *moments, top int) []Gene {
	rest := all.cells - m.cells
	if m.cells < 2 || rest < 2 {
		return nil
	}
	var list []Gene
	for g := range m.sum {
		mean, variance := meanVariance(m.cells, m.sum[g], m.squares[g])
		other, otherVariance := meanVariance(rest, all.sum[g]-m.sum[g], all.squares[g]-m.squares[g])
		standard := math.Sqrt(variance/m.cells + otherVariance/rest)
		if mean <= other || !(standard > 0) {
			continue
		}
		list = append(list, Gene{Index: g, Score: (mean - other) / standard, Mean: mean, Rest: other})
	}
	slices.SortStableFunc(list, func(a, b Gene) int { return cmp.Compare(b.Score, a.Score) })
	return list[:min(top, len(list))]
}

// meanVariance returns the mean and the variance with n-1 as the divisor.
func meanVariance(n, sum, squares float64) (mean, variance float64) {
	mean = sum / n
	return mean, max(0, (squares-sum*mean)/(n-1))
}
