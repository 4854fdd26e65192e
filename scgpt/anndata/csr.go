package anndata

import (
	"context"
	"errors"
	"slices"
	"sort"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

func (m *Matrix) csrRows(ctx context.Context, b *Block, from, to int) error {
	if err := m.indptr.CheckStored(from, to+1); err != nil {
		return err
	}
	b.From, b.To = from, to
	b.resize(to-from, 0)
	if err := m.indptr.ReadInt64s(ctx, b.Indptr, from, to+1); err != nil {
		return err
	}
	for i := range b.Indptr {
		if err := m.checkPointer(b.Indptr, i, from+i, m.cols); err != nil {
			return err
		}
	}
	first := b.Indptr[0]
	for i := range b.Indptr {
		b.Indptr[i] -= first
	}
	n := int(b.Indptr[to-from])
	if err := m.claim(int(first), int(first)+n); err != nil {
		return err
	}
	b.resize(to-from, n)
	if err := m.readEntries(ctx, b, int(first)); err != nil {
		return err
	}
	return m.tidy(b, int(first))
}

// apart is from how many entries on indices and values are read at a time:
// decoding them takes longer than it takes to begin a goroutine.
const apart = 1 << 13

// readEntries reads the indices and values of a block from the number first on.
func (m *Matrix) readEntries(ctx context.Context, b *Block, first int) error {
	end := first + len(b.Values)
	if len(b.Values) < apart {
		if err := m.indices.ReadInt32s(ctx, b.Indices, first, end); err != nil {
			return err
		}
		return m.data.ReadFloat32s(ctx, b.Values, first, end)
	}
	indices := make(chan error, 1)
	go func() { indices <- m.indices.ReadInt32s(ctx, b.Indices, first, end) }()
	values := m.data.ReadFloat32s(ctx, b.Values, first, end)
	return errors.Join(<-indices, values)
}

// claim checks that the file stores the entries from from to before to, before
// memory is taken for them.
func (m *Matrix) claim(from, to int) error {
	if err := m.indices.CheckStored(from, to); err != nil {
		return err
	}
	return m.data.CheckStored(from, to)
}

// tidy sorts the rows of a block just read, checks them and drops zeros. The
// block's first entry has the number first in the file.
func (m *Matrix) tidy(b *Block, first int) error {
	kept := 0
	start := int64(0)
	for i := range b.NRows() {
		lo, hi := int(start), int(b.Indptr[i+1])
		start = b.Indptr[i+1]
		indices, values := b.Indices[lo:hi], b.Values[lo:hi]
		if !ascending(indices, m.cols) {
			for k, c := range indices {
				if c < 0 || int(c) >= m.cols {
					return m.badIndex(m.indices, first+lo+k, m.cols, "genes")
				}
			}
			sort.Sort(&rowSorter{indices, values})
			for k := 1; k < len(indices); k++ {
				if indices[k] == indices[k-1] {
					return m.file.errorf("%s: row %d has gene %d twice", m.indices.Path(), b.From+i, indices[k])
				}
			}
		}
		b.Indptr[i] = int64(kept)
		if zero := slices.Index(values, 0); zero < 0 {
			if kept != lo {
				copy(b.Indices[kept:], indices)
				copy(b.Values[kept:], values)
			}
			kept += len(values)
			continue
		}
		for k, v := range values {
			if v != 0 {
				b.Indices[kept], b.Values[kept] = indices[k], v
				kept++
			}
		}
	}
	b.Indptr[b.NRows()] = int64(kept)
	b.Indices, b.Values = b.Indices[:kept], b.Values[:kept]
	return nil
}

// ascending reports whether indices increase strictly from 0 or more to less
// than limit.
func ascending(indices []int32, limit int) bool {
	before := int32(-1)
	for _, c := range indices {
		if c <= before {
			return false
		}
		before = c
	}
	return int(before) < limit
}

// checkPointer checks entry i of a run of pointers against the one before; in
// the file it has the number at. A line has at most width entries.
func (m *Matrix) checkPointer(pointers []int64, i, at, width int) error {
	p := pointers[i]
	if p < 0 || p > int64(m.data.Rows()) {
		return m.file.errorf("%s[%d] = %d, but there are %d values", m.indptr.Path(), at, p, m.data.Rows())
	}
	if i == 0 {
		return nil
	}
	if before := pointers[i-1]; p < before {
		return m.file.errorf("%s[%d] = %d, less than %d before it", m.indptr.Path(), at, p, before)
	} else if p-before > int64(width) {
		return m.file.errorf("%s[%d] = %d, %d more than before it, but only %d are possible", m.indptr.Path(), at, p, p-before, width)
	}
	return nil
}

// badIndex reads the index again, since what was read may be cut to 32 bits.
func (m *Matrix) badIndex(d *hdf5.Dataset, at, limit int, unit string) error {
	var v [1]int64
	if err := d.ReadInt64s(context.Background(), v[:], at, at+1); err != nil {
		return err
	}
	return m.file.errorf("%s[%d] = %d, but there are %d %s", d.Path(), at, v[0], limit, unit)
}

// A rowSorter sorts the entries of a row by column.
type rowSorter struct {
	indices []int32
	values  []float32
}

func (s *rowSorter) Len() int           { return len(s.indices) }
func (s *rowSorter) Less(i, j int) bool { return s.indices[i] < s.indices[j] }
func (s *rowSorter) Swap(i, j int) {
	s.indices[i], s.indices[j] = s.indices[j], s.indices[i]
	s.values[i], s.values[j] = s.values[j], s.values[i]
}
