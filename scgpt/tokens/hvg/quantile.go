package hvg

import (
	"math"
	"slices"
)

// quantile returns the value below which a share q of sorted values lies,
// between two of them linearly, in the arithmetic of NumPy.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	t := at - float64(i)
	a, b := sorted[i], sorted[min(i+1, len(sorted)-1)]
	if t >= 0.5 {
		return b - (b-a)*(1-t)
	}
	return a + (b-a)*t
}

// median returns the middle of values, the mean of two where there is none, NaN
// of nothing.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
