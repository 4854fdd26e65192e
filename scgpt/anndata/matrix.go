package anndata

import (
	"context"
	"errors"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// stripElements is how many numbers a scan holds at once.
const stripElements = 1 << 20

// maxBlockRows bounds one block.
const maxBlockRows = 1 << 24

// A Matrix is a matrix in a file, cells by genes. It is safe for concurrent
// use.
type Matrix struct {
	file       *File
	path       string
	encoding   string
	rows, cols int

	data            *hdf5.Dataset // values; of a dense matrix all of them
	indices, indptr *hdf5.Dataset

	// market is the file of a matrix that is in none of HDF5, nil otherwise.
	market *market

	// place has for each column in the file its number here, of kept ones, and
	// -1 where it is left out; nil leaves all where they are.
	place []int32
	kept  int

	spill  *spill        // of a CSC matrix, or a part of a dense one
	sorter chan struct{} // holds a token while the spill is in use
}

// openMatrix opens a sparse group or a dense dataset that must have the shape
// rows by cols.
func (f *File) openMatrix(o *hdf5.Object, rows, cols int) (*Matrix, error) {
	m := &Matrix{file: f, path: o.Path(), rows: rows, cols: cols, sorter: make(chan struct{}, 1)}
	if o.Kind() == hdf5.KindDataset {
		return m, m.openDense(o)
	}
	enc, err := encodingOf(o)
	if err != nil {
		return nil, err
	}
	shapeName := "shape"
	if enc == "" { // before anndata 0.7
		shapeName = "h5sparse_shape"
		if enc, err = textAttribute(o, "h5sparse_format"); err != nil {
			return nil, err
		}
	}
	switch enc {
	case "csr_matrix", "csr":
		m.encoding = "csr"
	case "csc_matrix", "csc":
		m.encoding = "csc"
	default:
		return nil, f.errorf("%s has encoding %q; csr_matrix, csc_matrix and dense arrays can be read", m.path, enc)
	}
	shape, err := o.Attribute(shapeName)
	if err != nil {
		return nil, f.sparseError(m.path, err)
	}
	dims, err := shape.Int64s()
	if err != nil {
		return nil, err
	}
	if len(dims) != 2 || dims[0] != int64(rows) || dims[1] != int64(cols) {
		return nil, f.errorf("%s has shape %v, but there are %d cells and %d genes", m.path, dims, rows, cols)
	}
	return m, m.openSparse(o)
}

func (f *File) sparseError(path string, err error) error {
	if errors.Is(err, hdf5.ErrNotFound) {
		return f.errorf("%s is not a sparse matrix: %v", path, err)
	}
	return err
}

// openSparse opens the three arrays of a sparse matrix.
func (m *Matrix) openSparse(o *hdf5.Object) error {
	parts, err := entries(o)
	if err != nil {
		return err
	}
	for name, d := range map[string]**hdf5.Dataset{"data": &m.data, "indices": &m.indices, "indptr": &m.indptr} {
		part, err := m.file.part(o, parts, name)
		if err != nil {
			return err
		}
		if *d, err = part.Dataset(); err != nil {
			return err
		}
		if len((*d).Shape()) != 1 {
			return m.file.errorf("%s has shape %v; it has one dimension", (*d).Path(), (*d).Shape())
		}
	}
	if !m.data.Type().Numeric() {
		return m.file.errorf("%s holds %v, want numbers", m.data.Path(), m.data.Type())
	}
	for _, d := range []*hdf5.Dataset{m.indices, m.indptr} {
		if !d.Type().Integer() {
			return m.file.errorf("%s holds %v, want whole numbers", d.Path(), d.Type())
		}
	}
	n := m.data.Rows()
	if m.indices.Rows() != n {
		return m.file.errorf("%s has %d entries, but %s has %d", m.indices.Path(), m.indices.Rows(), m.data.Path(), n)
	}
	lines, unit := m.rows, "rows"
	if m.encoding == "csc" {
		lines, unit = m.cols, "columns"
	}
	if m.indptr.Rows() != lines+1 {
		return m.file.errorf("%s has %d entries, want %d for %d %s", m.indptr.Path(), m.indptr.Rows(), lines+1, lines, unit)
	}
	ends := make([]int64, 2)
	for i, at := range []int{0, lines} {
		if err := m.indptr.ReadInt64s(context.Background(), ends[i:i+1], at, at+1); err != nil {
			return err
		}
	}
	if ends[0] != 0 || ends[1] != int64(n) {
		return m.file.errorf("%s goes from %d to %d, want 0 to %d, the length of data", m.indptr.Path(), ends[0], ends[1], n)
	}
	return nil
}

// NRows returns the number of rows, which are cells.
func (m *Matrix) NRows() int { return m.rows }

// NCols returns the number of columns, which are genes.
func (m *Matrix) NCols() int {
	if m.place != nil {
		return m.kept
	}
	return m.cols
}

// Encoding returns "csr", "csc", "dense", or "mtx" for a Matrix Market file.
func (m *Matrix) Encoding() string { return m.encoding }

// DType names the type of the values in the file as NumPy does, say "float32".
func (m *Matrix) DType() string {
	if m.market != nil {
		return map[string]string{"integer": "int64", "real": "float64"}[m.market.field]
	}
	return m.data.Type().String()
}

// Path names the matrix within the file, say "layers/counts".
func (m *Matrix) Path() string { return m.path }

// Rows reads the rows from from to before to. Values become float32; NaN and
// infinities are passed on. Indices in a row may come in any order in the file,
// but twice is an error. A block has at most 1<<24 rows.
func (m *Matrix) Rows(ctx context.Context, from, to int) (*Block, error) {
	b := &Block{}
	if err := m.readInto(ctx, b, from, to); err != nil {
		return nil, err
	}
	return b, nil
}

func (m *Matrix) checkRange(from, to int) error {
	if from < 0 || to < from || to > m.rows {
		return m.file.errorf("%s: rows %d to %d asked for, there are %d", m.path, from, to, m.rows)
	}
	return nil
}

// readInto reads rows into a block, in whose memory they may find room.
func (m *Matrix) readInto(ctx context.Context, b *Block, from, to int) error {
	as, err := m.load(ctx, b, from, to)
	if err != nil {
		return err
	}
	return m.settle(b, as)
}

// load is the part of readInto that waits for the file. What it leaves to settle,
// if anything, is how the block stands in the file.
func (m *Matrix) load(ctx context.Context, b *Block, from, to int) (as stored, err error) {
	if err := m.checkRange(from, to); err != nil {
		return as, err
	}
	if to-from > maxBlockRows {
		return as, m.file.errorf("%s: rows %d to %d asked for; a block has %d at most", m.path, from, to, maxBlockRows)
	}
	var read *Block
	switch m.encoding {
	case "csr":
		return m.csrRows(ctx, b, from, to)
	case "mtx":
		read, err = m.marketRows(ctx, from, to)
	case "csc":
		read, err = m.cscRows(ctx, from, to)
	default:
		read, err = m.denseRows(ctx, from, to)
	}
	if err == nil {
		*b = *read
	}
	return as, err
}

// settle checks what load has read and puts it in order.
func (m *Matrix) settle(b *Block, as stored) error {
	if m.encoding != "csr" {
		return nil
	}
	if !as.ordered || !as.nonzero {
		if err := m.tidy(b, as.first); err != nil {
			return err
		}
	}
	if m.place != nil {
		b.keep(m.place)
	}
	return nil
}

// NNZ returns the number of values that are not zero. It reads the whole
// matrix.
func (m *Matrix) NNZ(ctx context.Context) (int64, error) {
	if m.market != nil {
		nnz, _, err := m.marketTotals(ctx)
		return nnz, err
	}
	var n int64
	err := m.each(ctx, func(v []float64) {
		for _, x := range v {
			if x != 0 {
				n++
			}
		}
	})
	return n, err
}

// Sum returns the sum of all values, in double precision and always in the
// same order. It reads the whole matrix.
func (m *Matrix) Sum(ctx context.Context) (float64, error) {
	if m.market != nil {
		_, sum, err := m.marketTotals(ctx)
		return sum, err
	}
	var sum float64
	err := m.each(ctx, func(v []float64) {
		for _, x := range v {
			sum += x
		}
	})
	return sum, err
}

// each calls f with all stored values, in parts.
func (m *Matrix) each(ctx context.Context, f func([]float64)) error {
	if m.encoding == "dense" {
		return m.eachDense(ctx, f)
	}
	n := m.data.Rows()
	if err := m.data.CheckStored(0, n); err != nil {
		return err
	}
	buf := make([]float64, min(n, stripElements))
	for from := 0; from < n; from += stripElements {
		to := min(n, from+stripElements)
		part := buf[:to-from]
		if err := m.data.ReadFloat64s(ctx, part, from, to); err != nil {
			return err
		}
		if m.place != nil {
			if err := m.blank(ctx, part, from); err != nil {
				return err
			}
		}
		f(part)
	}
	return nil
}

// blank makes values zero whose columns are left out. The first has the number
// from.
func (m *Matrix) blank(ctx context.Context, values []float64, from int) error {
	columns := make([]int32, len(values))
	if err := m.indices.ReadInt32s(ctx, columns, from, from+len(values)); err != nil {
		return err
	}
	for k, c := range columns {
		if c < 0 || int(c) >= m.cols {
			return m.badIndex(m.indices, from+k, m.cols, "features")
		}
		if m.place[c] < 0 {
			values[k] = 0
		}
	}
	return nil
}
