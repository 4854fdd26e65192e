package hvg

import "context"

// moments are sums over the cells of each batch, by batch and gene.
type moments struct {
	*groups
	genes     int
	sum       [][]float64
	squares   [][]float64
	expressed [][]int32 // cells in which the gene's value is above 0
	fractions int64     // values that are not whole numbers
}

func perGene[T any](batches, genes int) [][]T {
	out := make([][]T, batches)
	all := make([]T, batches*genes)
	for i := range out {
		out[i] = all[i*genes : (i+1)*genes : (i+1)*genes]
	}
	return out
}

func gather(ctx context.Context, genes int, cells Source, g *groups, check func(float32) string) (*moments, error) {
	m := &moments{
		groups:    g,
		genes:     genes,
		sum:       perGene[float64](g.len(), genes),
		squares:   perGene[float64](g.len(), genes),
		expressed: perGene[int32](g.len(), genes),
	}
	return m, g.pass(ctx, genes, cells, check, func(batch int, columns []int32, values []float32) {
		sum, squares, expressed := m.sum[batch], m.squares[batch], m.expressed[batch]
		for k, c := range columns {
			v := float64(values[k])
			sum[c] += v
			squares[c] += v * v
			if v > 0 {
				expressed[c]++
			}
			if !whole(values[k]) {
				m.fractions++
			}
		}
	})
}

// meanVariance returns the mean and the unbiased variance of a gene over n cells.
func meanVariance(sum, squares float64, n int) (mean, variance float64) {
	mean = sum / float64(n)
	variance = (squares/float64(n) - mean*mean) * (float64(n) / float64(n-1))
	return mean, max(0, variance)
}

// total returns the mean and variance of a gene over the cells of all batches.
func (m *moments) total(gene int) (mean, variance float64) {
	var sum, squares float64
	var n int
	for b := range m.sum {
		sum += m.sum[b][gene]
		squares += m.squares[b][gene]
		n += m.cells[b]
	}
	return meanVariance(sum, squares, n)
}
