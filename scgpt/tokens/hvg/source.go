package hvg

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// A Block is a run of cells in CSR form: the i-th has values in the columns
// Indices[Indptr[i]:Indptr[i+1]], no column twice. Values that are zero may be
// left out.
type Block struct {
	Indptr  []int64
	Indices []int32
	Values  []float32
}

// A Source calls yield with all cells, block after block and in the same order
// every time, and returns the first error, its own or yield's. A block is not
// kept after yield returns.
type Source func(yield func(Block) error) error

// errStopped guards against a source that goes on after an error.
var errStopped = errors.New("the source went on after an error")

// pass reads all cells. It calls each with the batch and the values of every
// cell, after checking them.
func (g *groups) pass(ctx context.Context, genes int, cells Source, check func(float32) string, each func(batch int, columns []int32, values []float32)) error {
	cell := 0
	stopped := false
	block := func(b Block) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(b.Indptr) == 0 || len(b.Indices) != len(b.Values) {
			return fmt.Errorf("block of %d row pointers, %d indices and %d values", len(b.Indptr), len(b.Indices), len(b.Values))
		}
		for i, hi := range b.Indptr[1:] {
			lo := b.Indptr[i]
			if lo < 0 || hi < lo || hi > int64(len(b.Values)) {
				return fmt.Errorf("cell %d goes from entry %d to %d of %d", cell, lo, hi, len(b.Values))
			}
			batch, err := g.of(cell)
			if err != nil {
				return err
			}
			columns, values := b.Indices[lo:hi], b.Values[lo:hi]
			for k, c := range columns {
				if c < 0 || int(c) >= genes {
					return dataErrorf("cell %d has a value of gene %d, but there are %d genes", cell, c, genes)
				}
				if wrong := check(values[k]); wrong != "" {
					return &DataError{Reason: fmt.Sprintf("%v %s", values[k], wrong), Cell: cell, Column: int(c)}
				}
			}
			each(batch, columns, values)
			cell++
		}
		return nil
	}
	err := cells(func(b Block) error {
		if stopped {
			return errStopped
		}
		err := block(b)
		stopped = err != nil
		return err
	})
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return g.complete(cell)
}

// checkFinite is the check of values that may have fractions.
func checkFinite(v float32) string {
	switch f := float64(v); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return "is not a finite number"
	case v < 0:
		return "is negative; counts or log-normalised values, not scaled to a mean of 0, are wanted"
	}
	return ""
}

func whole(v float32) bool { return float64(v) == math.Trunc(float64(v)) }

// checkCount is the check of counts.
func checkCount(v float32) string {
	if wrong := checkFinite(v); wrong != "" {
		return wrong
	}
	if !whole(v) {
		return "is not a whole number; seurat_v3 is for counts, cell_ranger for log-normalised values"
	}
	return ""
}
