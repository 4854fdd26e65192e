package evaluate

// ARI is the adjusted Rand index of two divisions of the same cells (Hubert and
// Arabie 1985): 1 where they are equal but for names, about 0 where they agree
// as by chance, and negative where less. It is scikit-learn's
// adjusted_rand_score.
//
// Both slices have one label per cell, and none may be empty.
func ARI[A, B Label](truth []A, clusters []B) (float64, error) {
	t, err := newContingency(truth, clusters)
	if err != nil {
		return 0, err
	}
	return t.ari(), nil
}

func (t *contingency) ari() float64 {
	sumOfSquares := func(sizes []int) (sum float64) {
		for _, n := range sizes {
			sum += float64(n) * float64(n)
		}
		return sum
	}
	n := float64(t.cells)
	both := 0.0
	for _, p := range t.pairs {
		both += float64(p.cells) * float64(p.cells)
	}
	inRows, inColumns := sumOfSquares(t.rows), sumOfSquares(t.columns)
	// Ordered pairs of cells: together in both divisions, in one of them,
	// in neither.
	together := both - n
	onlyRows, onlyColumns := inRows-both, inColumns-both
	neither := n*n - inRows - inColumns + both
	if onlyRows == 0 && onlyColumns == 0 {
		return 1
	}
	return 2 * (together*neither - onlyRows*onlyColumns) /
		((together+onlyRows)*(onlyRows+neither) + (together+onlyColumns)*(onlyColumns+neither))
}
