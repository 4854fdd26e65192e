package anndata

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// defaultBand is the most bytes that a row of chunks may have, decoded, to be
// kept in memory while blocks of rows are taken from it. Larger ones are
// sorted into a temporary file.
const defaultBand = 8 << 20

// maxRowBytes bounds one row of a dense matrix.
const maxRowBytes = 512 << 20

func (m *Matrix) openDense(o *hdf5.Object) error {
	m.encoding = "dense"
	var err error
	if m.data, err = o.Dataset(); err != nil {
		return err
	}
	shape := m.data.Shape()
	// anndata before 0.7 wrote a matrix of one gene with one dimension.
	flat := len(shape) == 1 && m.cols == 1 && shape[0] == m.rows
	if !flat && (len(shape) != 2 || shape[0] != m.rows || shape[1] != m.cols) {
		return m.file.errorf("%s has shape %v, but there are %d cells and %d genes", m.path, shape, m.rows, m.cols)
	}
	if !m.data.Type().Numeric() {
		return m.file.errorf("%s holds %v, want numbers", m.path, m.data.Type())
	}
	if m.cols > maxRowBytes/8 {
		return m.file.errorf("%s has %d genes; a dense matrix can have %d at most", m.path, m.cols, maxRowBytes/8)
	}
	return nil
}

// strip is how many rows are read at once.
func (m *Matrix) strip() int { return max(1, stripElements/max(1, m.cols)) }

// banded reports whether chunks are so wide that a strip of rows would decode
// far more than it needs, and how many rows a row of chunks has.
func (m *Matrix) banded() (rows int, ok bool) {
	chunk := m.data.ChunkShape()
	if len(chunk) == 0 || chunk[0] <= 1 {
		return 0, false
	}
	rows = min(chunk[0], m.rows)
	return rows, rows > m.file.band/max(1, m.cols*m.data.Type().Size)
}

func (m *Matrix) denseRows(ctx context.Context, from, to int) (*Block, error) {
	b := &Block{From: from, To: to, Indptr: make([]int64, to-from+1)}
	if m.cols == 0 {
		return b, nil
	}
	band, banded := m.banded()
	strip := m.strip()
	var buf []float32
	for lo := from; lo < to; {
		hi := min(lo+strip, to)
		if banded {
			hi = min(to, (lo/band+1)*band)
		}
		next, err := m.data.NextStored(lo)
		if err != nil {
			return nil, err
		}
		switch {
		case next > lo:
			hi = min(next, to)
			for i := lo; i < hi; i++ {
				b.Indptr[i-from+1] = int64(len(b.Values))
			}
		case banded:
			err = m.bandRows(ctx, b, lo, hi, lo/band*band, band)
		default:
			if buf == nil {
				buf = make([]float32, min(strip, to-from)*m.cols)
			}
			err = m.stripRows(ctx, b, lo, hi, buf[:(hi-lo)*m.cols])
		}
		if err != nil {
			return nil, err
		}
		lo = hi
	}
	return b, nil
}

// stripRows appends rows lo to hi to b.
func (m *Matrix) stripRows(ctx context.Context, b *Block, lo, hi int, buf []float32) error {
	if err := m.data.ReadFloat32s(ctx, buf, lo, hi); err != nil {
		return err
	}
	for i := range hi - lo {
		for c, v := range buf[i*m.cols : (i+1)*m.cols] {
			if v != 0 {
				b.Indices = append(b.Indices, int32(c))
				b.Values = append(b.Values, v)
			}
		}
		b.Indptr[lo-b.From+i+1] = int64(len(b.Values))
	}
	return nil
}

// bandRows appends rows lo to hi, all within the row of chunks that begins at
// row start. Their values lie in a temporary file, written when the first of
// the rows is asked for.
func (m *Matrix) bandRows(ctx context.Context, b *Block, lo, hi, start, band int) error {
	release, err := m.sorting(ctx)
	if err != nil {
		return err
	}
	defer release()
	if m.spill == nil || m.spill.first != start {
		if err := m.spillBand(ctx, start, min(start+band, m.rows)); err != nil {
			return err
		}
	}
	part, err := m.spill.rowsOf(ctx, lo, hi)
	if err != nil {
		return err
	}
	base := int64(len(b.Values))
	b.Indices = append(b.Indices, part.Indices...)
	b.Values = append(b.Values, part.Values...)
	for i, p := range part.Indptr[1:] {
		b.Indptr[lo-b.From+i+1] = base + p
	}
	return nil
}

func (m *Matrix) spillBand(ctx context.Context, start, end int) error {
	s, err := m.file.newSpill(start, end, int64(end-start)*int64(m.cols))
	if err != nil {
		return err
	}
	old := m.spill
	m.spill = nil
	if old != nil {
		m.file.drop(old)
	}
	err = m.data.EachFloat32(ctx, start, end, func(at int, run []float32) error {
		row, col := start+at/m.cols, at%m.cols
		for _, v := range run {
			if v != 0 {
				if err := s.add(row, int32(col), v); err != nil {
					return err
				}
			}
			if col++; col == m.cols {
				row, col = row+1, 0
			}
		}
		return nil
	})
	if err == nil {
		err = s.flush()
	}
	if err != nil {
		m.file.drop(s)
		return err
	}
	m.spill = s
	return nil
}

// eachDense calls f with all values, in an order that depends on the file
// alone.
func (m *Matrix) eachDense(ctx context.Context, f func([]float64)) error {
	if m.cols == 0 {
		return nil
	}
	band, banded := m.banded()
	strip := m.strip()
	var buf []float64
	for lo := 0; lo < m.rows; {
		hi := min(lo+strip, m.rows)
		if banded {
			hi = min(lo+band, m.rows)
		}
		next, err := m.data.NextStored(lo)
		switch {
		case err != nil:
		case next > lo:
			hi = next
		case banded:
			err = m.data.EachFloat64(ctx, lo, hi, func(_ int, run []float64) error {
				f(run)
				return nil
			})
		default:
			if buf == nil {
				buf = make([]float64, min(strip, m.rows)*m.cols)
			}
			if err = m.data.ReadFloat64s(ctx, buf[:(hi-lo)*m.cols], lo, hi); err == nil {
				f(buf[:(hi-lo)*m.cols])
			}
		}
		if err != nil {
			return err
		}
		lo = hi
	}
	return nil
}
