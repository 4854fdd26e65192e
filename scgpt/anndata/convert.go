package anndata

import (
	"context"
	"encoding/binary"
	"io"
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// convert writes a matrix of 10x Genomics with additions as an .h5ad file.
func (f *File) convert(ctx context.Context, w io.WriterAt, add Additions) error {
	r := Results{Obs: add.Obs, Obsm: add.Obsm, Uns: add.Uns, Deflate: add.Deflate}
	var err error
	if r.ObsIndex, err = f.obs.Index(); err != nil {
		return err
	}
	if r.VarIndex, err = f.vars.Index(); err != nil {
		return err
	}
	for _, name := range f.vars.Columns() {
		c, err := f.vars.Column(name)
		if err != nil {
			return err
		}
		column := NewColumn{Name: name, Values: Texts(c.Strings())}
		if c.Kind == KindCategorical {
			column.Values = Categories{Names: c.Categories, Codes: c.Codes}
		}
		r.Var = append(r.Var, column)
	}
	if err := checkColumns("var", r.Var, len(r.VarIndex)); err != nil {
		return f.errorf("%v", err)
	}
	e := &elements{Writer: hdf5.Create(w), ctx: ctx, deflate: add.Deflate}
	x, err := e.matrix(f.x)
	if err != nil {
		return err
	}
	root, err := e.results(r, hdf5.NewEntry("X", x))
	if err != nil {
		return err
	}
	return e.Finish(root)
}

// matrix writes a matrix as CSR. It reads it once for each of the three arrays,
// which HDF5 wants one after another.
func (e *elements) matrix(m *Matrix) (hdf5.Ref, error) {
	le := binary.LittleEndian
	index, put := hdf5.TypeInt32, func(b []byte, v int64) []byte { return le.AppendUint32(b, uint32(v)) }
	stored := m.stored()
	if stored > math.MaxInt32 {
		index, put = hdf5.TypeInt64, func(b []byte, v int64) []byte { return le.AppendUint64(b, uint64(v)) }
	}
	step := blockHeight(m.rows, stored)
	var total int64
	indptr, err := e.stream(index, m.rows+1, m, step, func(buf []byte, b *Block) []byte {
		if b.From == 0 {
			buf = put(buf, 0)
		}
		for _, p := range b.Indptr[1:] {
			buf = put(buf, total+p)
		}
		total += int64(len(b.Values))
		return buf
	})
	if err != nil {
		return 0, err
	}
	indices, err := e.stream(index, int(total), m, step, func(buf []byte, b *Block) []byte {
		for _, c := range b.Indices {
			buf = put(buf, int64(c))
		}
		return buf
	})
	if err != nil {
		return 0, err
	}
	data, err := e.stream(hdf5.TypeFloat32, int(total), m, step, func(buf []byte, b *Block) []byte {
		for _, v := range b.Values {
			buf = le.AppendUint32(buf, math.Float32bits(v))
		}
		return buf
	})
	if err != nil {
		return 0, err
	}
	return e.Group([]hdf5.Entry{
		hdf5.NewEntry("data", data),
		hdf5.NewEntry("indices", indices),
		hdf5.NewEntry("indptr", indptr),
	}, encoded("csr_matrix", hdf5.Attr{Name: "shape", Value: []int64{int64(m.rows), int64(m.NCols())}}))
}

// blockHeight is how many rows are read at once, for some million values.
func blockHeight(rows int, stored int64) int {
	return min(maxBlockRows, max(1, int(int64(stripElements)*int64(max(1, rows))/max(1, stored))))
}

// stored returns how many values a sparse matrix has in its file, those that are
// zero or left out among them.
func (m *Matrix) stored() int64 {
	if m.market != nil {
		return m.market.size
	}
	return int64(m.data.Rows())
}

// stream writes n elements that put makes of the blocks of a matrix, of which
// there is at least one.
func (e *elements) stream(t *hdf5.Datatype, n int, m *Matrix, step int, put func(buf []byte, b *Block) []byte) (hdf5.Ref, error) {
	d, err := e.NewDataset(hdf5.DatasetSpec{Type: t, Shape: []int{n}, Deflate: e.deflate})
	if err != nil {
		return 0, err
	}
	var buf []byte
	for from := 0; from == 0 || from < m.rows; from += step {
		b, err := m.Rows(e.ctx, from, min(from+step, m.rows))
		if err != nil {
			return 0, err
		}
		buf = put(buf[:0], b)
		if _, err := d.Write(buf); err != nil {
			return 0, err
		}
	}
	return d.Close()
}
