package engine

import (
	"context"
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// logNormalized reads a matrix of counts or of log-normalised values as the
// latter.
type logNormalized struct {
	matrix *anndata.Matrix
	// counts says that the matrix holds counts, so that the values of each
	// cell are scaled to a sum of 10,000 and the logarithm of one more taken.
	counts bool
}

// newLogNormalized looks at the first cells: values that are all whole numbers
// are counts.
func newLogNormalized(ctx context.Context, m *anndata.Matrix) (*logNormalized, error) {
	x := &logNormalized{matrix: m, counts: true}
	block, err := m.Rows(ctx, 0, min(blockCells, m.NRows()))
	if err != nil {
		return nil, err
	}
	for _, v := range block.Values {
		if float64(v) != math.Trunc(float64(v)) {
			x.counts = false
			break
		}
	}
	return x, nil
}

// each calls f with the columns and values of every cell, in order. f may change
// the values, but not keep them.
func (x *logNormalized) each(ctx context.Context, f func(cell int, columns []int32, values []float32) error) error {
	for block, err := range x.matrix.Blocks(ctx, 0, x.matrix.NRows(), blockCells) {
		if err != nil {
			return err
		}
		for i := range block.NRows() {
			columns, values := block.Row(i)
			if x.counts {
				tokens.NormalizeTotal(values, tokens.DefaultTargetSum)
				tokens.Log1p(values)
			}
			if err := f(block.From+i, columns, values); err != nil {
				return err
			}
		}
	}
	return nil
}
