package projection

import (
	"context"
	"fmt"
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// Block is a run of rows in CSR form: the i-th has values in the columns
// Indices[Indptr[i]:Indptr[i+1]], which ascend. Values that are zero may be left
// out.
type Block struct {
	Indptr  []int64
	Indices []int32
	Values  []float32
}

// Source calls yield with all rows of a matrix, block after block and in the
// same order every time, and returns the first error, its own or yield's. A
// block is not kept after yield returns.
type Source func(yield func(Block) error) error

// Dense returns the rows of a dense matrix.
func Dense(m neighbors.Matrix) Source {
	const rows = 256
	return func(yield func(Block) error) error {
		if err := m.Check("x"); err != nil {
			return err
		}
		n := min(rows, m.Rows)
		b := Block{Indptr: make([]int64, n+1), Indices: make([]int32, n*m.Cols)}
		for i := range b.Indptr {
			b.Indptr[i] = int64(i * m.Cols)
		}
		for i := range b.Indices {
			b.Indices[i] = int32(i % m.Cols)
		}
		for from := 0; from < m.Rows; from += rows {
			n := min(rows, m.Rows-from)
			part := Block{Indptr: b.Indptr[:n+1], Indices: b.Indices[:n*m.Cols], Values: m.Data[from*m.Cols : (from+n)*m.Cols]}
			if err := yield(part); err != nil {
				return err
			}
		}
		return nil
	}
}

// pass reads all rows of a source and checks them. It returns their number.
func (s Source) pass(ctx context.Context, cols int, each func(Block)) (rows int, err error) {
	err = s(func(b Block) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.check(cols, rows); err != nil {
			return err
		}
		each(b)
		rows += len(b.Indptr) - 1
		return nil
	})
	return rows, err
}

// check makes sure that a block is what it should be. row is the number of its
// first row.
func (b Block) check(cols, row int) error {
	if len(b.Indptr) == 0 || b.Indptr[0] != 0 || len(b.Indices) != len(b.Values) {
		return fmt.Errorf("block of %d row pointers, %d indices and %d values", len(b.Indptr), len(b.Indices), len(b.Values))
	}
	for i, hi := range b.Indptr[1:] {
		lo := b.Indptr[i]
		if hi < lo || hi > int64(len(b.Values)) {
			return fmt.Errorf("row %d goes from entry %d to %d of %d", row+i, lo, hi, len(b.Values))
		}
		last := int32(-1)
		for k := lo; k < hi; k++ {
			c, v := b.Indices[k], float64(b.Values[k])
			switch {
			case c <= last || int(c) >= cols:
				return invalidf(fmt.Sprintf("row %d", row+i), "column %d after %d: columns must ascend, up to %d", c, last, cols-1)
			case math.IsNaN(v) || math.IsInf(v, 0):
				return &Error{
					Subject: fmt.Sprintf("row %d, column %d", row+i, c), Reason: fmt.Sprintf("%v, but values must be finite", v),
					Row: row + i, Column: int(c),
				}
			}
			last = c
		}
	}
	return nil
}
