package hvg

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
)

// A standard is what seurat_v3 holds the values of a batch against, by gene.
type standard struct {
	mean      []float64
	deviation []float64 // as expected at the mean
	limit     []float64 // larger values count as this

	// Sums of the values so limited, over the cells of the batch.
	sum, squares []float64
}

func (m *moments) seuratV3(ctx context.Context, cells Source, opts Options) (*Result, error) {
	r := &Result{Genes: make([]Gene, m.genes), Fractions: m.fractions}
	standards := make([]*standard, m.len())
	for b := range standards {
		var singular int
		var err error
		if standards[b], singular, err = m.standard(b, opts.Span); err != nil {
			return nil, err
		}
		if singular > 0 {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s: the genes' means are too alike for a local fit of their variances at %d places; leave out genes that few cells express, or raise the span above %v", m.name(b), singular, opts.Span))
		}
	}
	// The values were checked before.
	unchecked := func(float32) string { return "" }
	err := m.pass(ctx, m.genes, cells, unchecked, func(batch int, columns []int32, values []float32) {
		s := standards[batch]
		for k, c := range columns {
			v := min(float64(values[k]), s.limit[c])
			s.sum[c] += v
			s.squares[c] += v * v
		}
	})
	if err != nil {
		return nil, err
	}
	ranks := make([][]float64, m.genes) // in the batches that choose the gene
	for b, s := range standards {
		scores := s.scores(m.cells[b])
		for i, score := range scores {
			r.Genes[i].Score += score / float64(m.len())
		}
		order := columns(m.genes)
		slices.SortStableFunc(order, func(i, j int) int { return descending(scores[i], scores[j]) })
		for rank, i := range order[:opts.N] {
			ranks[i] = append(ranks[i], float64(rank))
		}
		if m.len() == 1 {
			for rank, i := range order {
				r.Genes[i].Rank = float64(rank)
			}
		}
	}
	for i := range r.Genes {
		g := &r.Genes[i]
		g.Mean, g.Dispersion = m.total(i)
		g.Batches = len(ranks[i])
		if m.len() > 1 {
			g.Rank = median(ranks[i])
		}
	}
	order := columns(m.genes)
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := r.Genes[i], r.Genes[j]
		if aNone, bNone := math.IsNaN(a.Rank), math.IsNaN(b.Rank); aNone || bNone {
			return cmp.Compare(b.Batches, a.Batches) // those without a rank have none
		}
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(b.Batches, a.Batches))
	})
	return r.choose(order, opts.N), nil
}

// standard fits the variances of a batch to the means. It returns at how many
// places the fit was singular.
func (m *moments) standard(batch int, span float64) (*standard, int, error) {
	s := &standard{
		mean:      make([]float64, m.genes),
		deviation: make([]float64, m.genes),
		limit:     make([]float64, m.genes),
		sum:       make([]float64, m.genes),
		squares:   make([]float64, m.genes),
	}
	n := m.cells[batch]
	var x, y []float64
	var varying []int
	for i := range m.genes {
		mean, variance := meanVariance(m.sum[batch][i], m.squares[batch][i], n)
		s.mean[i] = mean
		s.deviation[i] = 1 // of genes that do not vary
		if variance > 0 {
			x = append(x, math.Log10(mean))
			y = append(y, math.Log10(variance))
			varying = append(varying, i)
		}
	}
	fitted, singular, err := loess(x, y, span)
	if err != nil {
		return nil, 0, dataErrorf("%s has %d genes that vary: %v", m.name(batch), len(varying), err)
	}
	for k, i := range varying {
		s.deviation[i] = math.Sqrt(math.Pow(10, fitted[k]))
	}
	for i := range s.limit {
		s.limit[i] = s.deviation[i]*math.Sqrt(float64(n)) + s.mean[i]
	}
	return s, singular, nil
}

// scores returns the variances of the limited, standardised values over n
// cells.
func (s *standard) scores(n int) []float64 {
	out := make([]float64, len(s.mean))
	for i, mean := range s.mean {
		d := s.deviation[i]
		out[i] = (1 / (float64(n-1) * (d * d))) * (float64(n)*(mean*mean) + s.squares[i] - 2*s.sum[i]*mean)
	}
	return out
}
