package engine

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// maxLogarithm is more than any log-normalised value: scGPT's own check
// (Preprocessor._check_logged) takes no matrix with a greater one for logarithms.
// Of counts scaled to 10,000 a cell, scanpy's usual, they end at 9.2, of millions
// to the base of 2 at 20. Its other signs, such as a least value of 1 or more, are
// met by log-normalised cells of few counts.
const maxLogarithm = 30

// amounts say what the values of a matrix look like.
type amounts struct {
	// fractions and negative are whether there are any.
	fractions, negative bool
	greatest            float64
}

// see takes a value in. One that is not finite says nothing: it is an error where
// it matters.
func (a *amounts) see(v float32) {
	f := float64(v)
	if notFinite(v) {
		return
	}
	a.fractions = a.fractions || f != math.Trunc(f)
	a.negative = a.negative || f < 0
	a.greatest = max(a.greatest, f)
}

func notFinite(v float32) bool { return v-v != 0 }

// counts says whether they are counts rather than log-normalised values.
func (a amounts) counts() bool { return !a.fractions || a.corrected() }

// corrected says whether they are counts that are not whole, as tools leave them
// that correct for ambient RNA or share reads out between genes.
func (a amounts) corrected() bool { return a.fractions && !a.negative && a.greatest > maxLogarithm }

// warnings say what is not sure about the values of a matrix.
func (a amounts) warnings(matrix string) []string {
	if !a.corrected() {
		return nil
	}
	return []string{fmt.Sprintf("the values of %s are not all whole, but some are above %d, which logarithms do not reach: they are taken for counts, and log-normalised where that matters; if a part is log-normalised already, bring all to one scale first", matrix, maxLogarithm)}
}

// amountsOf looks at the values of all cells in the columns that use takes, nil for
// all.
func amountsOf(ctx context.Context, m *anndata.Matrix, use func(column int32) bool) (*amounts, error) {
	a := &amounts{}
	for b, err := range m.Blocks(ctx, 0, m.NRows(), blockCells) {
		if err != nil {
			return nil, err
		}
		for k, column := range b.Indices {
			if use == nil || use(column) {
				a.see(b.Values[k])
			}
		}
	}
	return a, nil
}

// logNormalized reads a matrix of counts or of log-normalised values as the
// latter.
type logNormalized struct {
	matrix *anndata.Matrix
	// counts says that the matrix holds counts, so that the values of each
	// cell are scaled to a sum of 10,000 and the logarithm of one more taken.
	counts bool
	// warnings say what is not sure about that.
	warnings []string
}

// newLogNormalized looks at the values that use takes; it reads the matrix once.
func newLogNormalized(ctx context.Context, m *anndata.Matrix, use func(column int32) bool) (*logNormalized, error) {
	a, err := amountsOf(ctx, m, use)
	if err != nil {
		return nil, err
	}
	return a.in(m), nil
}

// in reads the matrix that a speaks of.
func (a amounts) in(m *anndata.Matrix) *logNormalized {
	return &logNormalized{m, a.counts(), a.warnings(m.Path())}
}

// look returns what the values of the known genes look like. The file is read
// once, if ChooseGenes has not done so.
func (c *Cells) look(ctx context.Context) (*amounts, error) {
	if a := c.amounts.Load(); a != nil {
		return a, nil
	}
	a, err := amountsOf(ctx, c.matrix, func(column int32) bool { return c.known.IDs[column] >= 0 })
	if err == nil {
		c.amounts.Store(a)
	}
	return a, err
}

// logNormalized reads the cells as log-normalised values.
func (c *Cells) logNormalized(ctx context.Context) (*logNormalized, error) {
	a, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	return a.in(c.matrix), nil
}

// Warnings say, in sentences, what makes results less sure that rest on the
// amounts of expression (not on their order, as embeddings do): those of
// ChooseGenes, Principal and Markers so far, and of a baseline, nil for none.
func (c *Cells) Warnings(b *Baseline) []string {
	var warnings []string
	if b != nil {
		warnings = slices.Clone(b.Warnings)
	}
	if a := c.amounts.Load(); a != nil {
		for _, w := range a.warnings(c.matrix.Path()) {
			if !slices.Contains(warnings, w) {
				warnings = append(warnings, w)
			}
		}
	}
	return warnings
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
				logNormalize(values)
			}
			if err := f(block.From+i, columns, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// logNormalize leaves values that are not finite as they are, for by their sum they
// would make all others of the cell such too, and the wrong gene be blamed.
func logNormalize(values []float32) {
	odd := map[int]float32{}
	for i, v := range values {
		if notFinite(v) {
			odd[i], values[i] = v, 0
		}
	}
	tokens.NormalizeTotal(values, tokens.DefaultTargetSum)
	tokens.Log1p(values)
	for i, v := range odd {
		values[i] = v
	}
}
