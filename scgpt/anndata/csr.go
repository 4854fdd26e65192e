package anndata

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sort"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// stored says how a block stands in the file.
type stored struct {
	first   int  // number of its first entry
	ordered bool // the columns of each row ascend, and are in range
	nonzero bool // no value is zero
}

// csrRows reads rows as they stand in the file.
func (m *Matrix) csrRows(ctx context.Context, b *Block, from, to int) (as stored, err error) {
	if err := m.indptr.CheckStored(from, to+1); err != nil {
		return as, err
	}
	b.From, b.To = from, to
	b.resize(to-from, 0)
	if err := m.indptr.ReadInt64s(ctx, b.Indptr, from, to+1); err != nil {
		return as, err
	}
	for i := range b.Indptr {
		if err := m.checkPointer(b.Indptr, i, from+i, m.cols); err != nil {
			return as, err
		}
	}
	as.first = int(b.Indptr[0])
	for i := range b.Indptr {
		b.Indptr[i] -= int64(as.first)
	}
	n := int(b.Indptr[to-from])
	if err := m.claim(as.first, as.first+n); err != nil {
		return as, err
	}
	b.resize(to-from, n)
	err = m.readEntries(ctx, b, &as)
	return as, err
}

// apart is from how many entries on indices and values are read at a time:
// decoding them takes longer than it takes to begin a goroutine.
const apart = 1 << 13

// plainPiece is how many entries are read at a time from a file that is not
// compressed: what a processor's cache holds until they are looked at.
const plainPiece = 1 << 15

// readEntries reads the indices and values of a block, and looks at each where it
// was read, while it is in that processor's cache.
func (m *Matrix) readEntries(ctx context.Context, b *Block, as *stored) error {
	n := len(b.Values)
	as.ordered, as.nonzero = true, true
	readIndices := func() error {
		row := 0
		return eachPiece(m.indices, n, func(from, to int) error {
			err := m.indices.ReadInt32s(ctx, b.Indices[from:to], as.first+from, as.first+to)
			for ; err == nil && as.ordered && row < b.NRows() && int(b.Indptr[row+1]) <= to; row++ {
				as.ordered = ascending(b.Indices[b.Indptr[row]:b.Indptr[row+1]], m.cols)
			}
			return err
		})
	}
	readValues := func() error {
		return eachPiece(m.data, n, func(from, to int) error {
			err := m.data.ReadFloat32s(ctx, b.Values[from:to], as.first+from, as.first+to)
			as.nonzero = as.nonzero && err == nil && !anyZero(b.Values[from:to])
			return err
		})
	}
	if n < apart {
		return cmp.Or(readIndices(), readValues())
	}
	indices := make(chan error, 1)
	go func() { indices <- readIndices() }()
	values := readValues()
	return errors.Join(<-indices, values)
}

// eachPiece divides n entries into pieces, or not, as suits the dataset.
func eachPiece(d *hdf5.Dataset, n int, read func(from, to int) error) error {
	size := n // so that chunks are decoded at the same time
	if len(d.Filters()) == 0 {
		size = plainPiece
	}
	for from := 0; from < n; from += size {
		if err := read(from, min(from+size, n)); err != nil {
			return err
		}
	}
	return nil
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
		if !anyZero(values) {
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

// Numbers of 32 bits are looked at two at a time and without branches: these are
// the lowest and the highest bits of both.
const (
	lowBits  = 1<<32 | 1
	highBits = 1<<63 | 1<<31
)

// ascending reports whether indices increase strictly from 0 or more to less
// than limit.
func ascending(indices []int32, limit int) bool {
	n := len(indices)
	if n == 0 {
		return true
	}
	negative, rising := uint64(uint32(indices[0]))<<32, uint64(highBits)
	i := 1
	for ; i+1 < n; i += 2 {
		three := indices[i-1 : i+2 : i+2]
		before := uint64(uint32(three[0])) | uint64(uint32(three[1]))<<32
		x := uint64(uint32(three[1])) | uint64(uint32(three[2]))<<32
		negative |= x
		// Of numbers that are not negative, the bit stays where x is larger.
		rising &= (x | highBits) - before - lowBits
	}
	last := indices[n-1]
	if i < n && last <= indices[n-2] {
		return false
	}
	return negative&highBits == 0 && rising&highBits == highBits && last >= 0 && int(last) < limit
}

// anyZero reports whether a value is 0 or -0.
func anyZero(values []float32) bool {
	found := uint64(0)
	for ; len(values) > 1; values = values[2:] {
		x := uint64(math.Float32bits(values[0])) | uint64(math.Float32bits(values[1]))<<32
		x = x << 1 &^ (1 << 32) // without signs
		found |= (x - lowBits) &^ x
	}
	return found&highBits != 0 || len(values) > 0 && values[0] == 0
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
