package anndata

import (
	"context"
	"sort"
)

// cscRows reads rows of a matrix stored by columns, which are sorted by rows
// into a temporary file when the first ones are asked for.
func (m *Matrix) cscRows(ctx context.Context, from, to int) (*Block, error) {
	release, err := m.sorting(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if m.spill == nil {
		s, err := m.file.newSpill(0, m.rows, int64(m.data.Rows()))
		if err != nil {
			return nil, err
		}
		if err := m.transpose(ctx, s); err != nil {
			m.file.drop(s)
			return nil, err
		}
		m.spill = s
	}
	b, err := m.spill.rowsOf(ctx, from, to)
	if err != nil {
		return nil, err
	}
	for i := range b.NRows() {
		columns, _ := b.Row(i)
		for k := 1; k < len(columns); k++ {
			if columns[k] == columns[k-1] {
				return nil, m.file.errorf("%s: column %d has row %d twice", m.indices.Path(), columns[k], from+i)
			}
		}
	}
	return b, nil
}

// transpose adds all entries to s, column by column.
func (m *Matrix) transpose(ctx context.Context, s *spill) error {
	n := m.data.Rows()
	if err := m.claim(0, n); err != nil {
		return err
	}
	rows := make([]int32, min(n, stripElements))
	values := make([]float32, len(rows))
	c := &columnCursor{m: m, ctx: ctx}
	for from := 0; from < n; from += stripElements {
		to := min(n, from+stripElements)
		if err := m.indices.ReadInt32s(ctx, rows[:to-from], from, to); err != nil {
			return err
		}
		if err := m.data.ReadFloat32s(ctx, values[:to-from], from, to); err != nil {
			return err
		}
		for at := from; at < to; {
			column, end, err := c.at(at)
			if err != nil {
				return err
			}
			for end = min(end, to); at < end; at++ {
				row := rows[at-from]
				if row < 0 || int(row) >= m.rows {
					return m.badIndex(m.indices, at, m.rows, "cells")
				}
				if v := values[at-from]; v != 0 {
					if err := s.add(int(row), column, v); err != nil {
						return err
					}
				}
			}
		}
	}
	return s.flush()
}

// A columnCursor tells the column of an entry, reading the column pointers as
// it goes.
type columnCursor struct {
	m        *Matrix
	ctx      context.Context
	pointers []int64 // of the columns from first on
	first    int
}

// at returns the column of entry i, not before the one of the last call, and
// the end of the column.
func (c *columnCursor) at(i int) (column int32, end int, err error) {
	const step = 1 << 16
	for {
		if n := len(c.pointers); n > 0 && c.pointers[n-1] > int64(i) {
			// The first pointer past the entry ends its column.
			k := sort.Search(n, func(k int) bool { return c.pointers[k] > int64(i) })
			return int32(c.first + k - 1), int(c.pointers[k]), nil
		}
		if n := len(c.pointers); n > 0 {
			c.first += n - 1
		}
		// A run begins with the last pointer of the run before.
		to := min(c.first+step, c.m.cols) + 1
		if to-c.first < 2 {
			return 0, 0, c.m.file.errorf("%s ends before entry %d", c.m.indptr.Path(), i)
		}
		c.pointers = make([]int64, to-c.first)
		if err := c.m.indptr.ReadInt64s(c.ctx, c.pointers, c.first, to); err != nil {
			return 0, 0, err
		}
		for k := range c.pointers {
			if err := c.m.checkPointer(c.pointers, k, c.first+k, c.m.rows); err != nil {
				return 0, 0, err
			}
		}
	}
}
