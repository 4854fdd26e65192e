package anndata

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sort"
)

// sortMarket sorts the entries by cells into a temporary file, once. The file
// must be open.
func (m *Matrix) sortMarket(ctx context.Context) error {
	if err := m.file.checkOpen(); err != nil {
		return err
	}
	if m.spill != nil {
		return nil
	}
	s, err := m.file.newSpill(0, m.rows, min(m.market.size, 1<<40))
	if err != nil {
		return err
	}
	var nnz int64
	var sum float64
	err = m.market.scan(ctx, func(cell int, column int32, value float64) error {
		nnz++
		sum += value
		return s.add(cell, column, float32(value))
	})
	if err == nil {
		err = s.flush()
	}
	if err != nil {
		m.file.drop(s)
		return err
	}
	m.spill, m.market.nnz, m.market.sum = s, nnz, sum
	return nil
}

// checkOpen gives an error when the file was closed.
func (f *File) checkOpen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return fmt.Errorf("%s: %w", f.path, os.ErrClosed)
	}
	return nil
}

// marketRows reads rows, in which the entries may come in any order.
func (m *Matrix) marketRows(ctx context.Context, from, to int) (*Block, error) {
	release, err := m.sorting(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := m.sortMarket(ctx); err != nil {
		return nil, err
	}
	b, err := m.spill.rowsOf(ctx, from, to)
	if err != nil {
		return nil, err
	}
	for i := range b.NRows() {
		columns, values := b.Row(i)
		if !slices.IsSorted(columns) {
			sort.Sort(&rowSorter{columns, values})
		}
		for k := 1; k < len(columns); k++ {
			if columns[k] == columns[k-1] {
				return nil, m.file.errorf("%s: cell %d has two entries of gene %d, both counted from 0", m.path, from+i, columns[k])
			}
		}
	}
	return b, nil
}

// marketTotals returns the number of values that are not zero and their sum.
func (m *Matrix) marketTotals(ctx context.Context) (nnz int64, sum float64, err error) {
	release, err := m.sorting(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer release()
	if err := m.sortMarket(ctx); err != nil {
		return 0, 0, err
	}
	return m.market.nnz, m.market.sum, nil
}
