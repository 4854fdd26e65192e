package evaluate

import "math"

// NMI is the normalised mutual information of two divisions of the same cells,
// between 0 and 1: their mutual information over the arithmetic mean of their
// entropies, and 1 where both are a single group. It is scikit-learn's
// normalized_mutual_info_score with its default average_method.
//
// Both slices have one label per cell, and none may be empty.
func NMI[A, B Label](truth []A, clusters []B) (float64, error) {
	t, err := newContingency(truth, clusters)
	if err != nil {
		return 0, err
	}
	return t.nmi(), nil
}

func (t *contingency) nmi() float64 {
	switch {
	case len(t.rows) == 1 && len(t.columns) == 1:
		return 1
	case len(t.rows) == 1 || len(t.columns) == 1:
		return 0
	}
	n := float64(t.cells)
	information := 0.0
	for _, p := range t.pairs {
		cells, row, column := float64(p.cells), float64(t.rows[p.row]), float64(t.columns[p.column])
		term := cells / n * math.Log(cells/row*(n/column))
		// As scikit-learn does, so that independent divisions have 0.
		if math.Abs(term) >= 0x1p-52 {
			information += term
		}
	}
	return max(information, 0) / ((entropy(t.rows, t.cells) + entropy(t.columns, t.cells)) / 2)
}
