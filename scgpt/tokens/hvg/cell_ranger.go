package hvg

import (
	"cmp"
	"math"
	"slices"
)

// medianDeviation scales the median absolute deviation to the standard
// deviation of normally distributed values: the third quartile of their
// distribution.
const medianDeviation = 0.6744897501960817

func (m *moments) cellRanger(opts Options) *Result {
	r := &Result{Genes: make([]Gene, m.genes), Fractions: m.fractions}
	batches := float64(m.len())
	scored := make([]int, m.genes) // batches in which the gene's score is a number
	for b := range m.len() {
		scores, chosen := m.dispersions(b, opts.N, r.Genes)
		for i, score := range scores {
			if !math.IsNaN(score) {
				r.Genes[i].Score += score
				scored[i]++
			}
			if chosen[i] {
				r.Genes[i].Batches++
			}
		}
	}
	for i := range r.Genes {
		g := &r.Genes[i]
		g.Mean /= batches
		g.Dispersion /= batches
		g.Score /= float64(scored[i]) // NaN where none is
	}
	order := columns(m.genes)
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := r.Genes[i], r.Genes[j]
		if m.len() == 1 {
			return descending(a.Score, b.Score)
		}
		return cmp.Or(cmp.Compare(b.Batches, a.Batches), descending(a.Score, b.Score))
	})
	for rank, i := range order {
		r.Genes[i].Rank = float64(rank)
	}
	return r.choose(order, opts.N)
}

// dispersions returns the standardised dispersions of a batch, and whether they
// are among the n highest. It adds means and dispersions to genes. Where there
// are several batches, a gene that no cell of the batch expresses has a score of
// 0 and is not looked at.
func (m *moments) dispersions(batch, n int, genes []Gene) (scores []float64, chosen []bool) {
	scores, chosen = make([]float64, m.genes), make([]bool, m.genes)
	var seen []int
	var means, dispersions []float64
	for i := range m.genes {
		if m.len() > 1 && m.expressed[batch][i] == 0 {
			continue
		}
		mean, variance := meanVariance(m.sum[batch][i], m.squares[batch][i], m.cells[batch])
		if mean == 0 {
			mean = 1e-12
		}
		seen = append(seen, i)
		means = append(means, mean)
		dispersions = append(dispersions, variance/mean)
		genes[i].Mean += mean
		genes[i].Dispersion += variance / mean
	}
	if len(seen) == 0 {
		return scores, chosen
	}
	bins := meanBins(means)
	members := make([][]float64, slices.Max(bins)+1)
	for k, bin := range bins {
		members[bin] = append(members[bin], dispersions[k])
	}
	centre, deviation := make([]float64, len(members)), make([]float64, len(members))
	for bin, values := range members {
		centre[bin] = median(values)
		for k, v := range values {
			values[k] = math.Abs(v-centre[bin]) / medianDeviation
		}
		deviation[bin] = median(values)
	}
	var ranked []float64
	for k, i := range seen {
		score := (dispersions[k] - centre[bins[k]]) / deviation[bins[k]]
		scores[i] = score
		if !math.IsNaN(score) {
			ranked = append(ranked, score)
		}
	}
	if len(ranked) == 0 {
		return scores, chosen
	}
	slices.Sort(ranked)
	least := ranked[max(0, len(ranked)-n)]
	for _, i := range seen {
		chosen[i] = scores[i] >= least
	}
	return scores, chosen
}

// meanBins numbers the bins of genes by mean. The lowest tenth is one bin, each
// twentieth above it another; a mean on an edge belongs below it.
func meanBins(means []float64) []int {
	sorted := slices.Sorted(slices.Values(means))
	var edges []float64
	for percent := 10; percent <= 100; percent += 5 {
		edges = append(edges, quantile(sorted, float64(percent)/100))
	}
	edges = slices.Compact(edges)
	bins := make([]int, len(means))
	for i, mean := range means {
		bins[i], _ = slices.BinarySearch(edges, mean)
	}
	return bins
}
