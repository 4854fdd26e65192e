package anndata

import (
	"context"
	"slices"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// An ArrayInfo describes an array with one row per cell.
type ArrayInfo struct {
	Name string
	// Shape has the number of cells first; it is nil for what [File.ObsmArray]
	// cannot read, such as an awkward array.
	Shape []int
	// DType is the type of the values as NumPy names it, empty for a frame;
	// where Shape is nil, it is the encoding.
	DType string
}

// An Array holds numbers, row after row.
type Array struct {
	Shape []int
	Data  []float32
}

// Obsm describes the arrays of obsm, sorted by name.
func (f *File) Obsm() ([]ArrayInfo, error) {
	links, legacy, err := f.obsm()
	if err != nil {
		return nil, err
	}
	var out []ArrayInfo
	if legacy != nil {
		for _, m := range legacy.Type().Members {
			a := ArrayInfo{Name: m.Name, Shape: []int{legacy.Rows()}, DType: m.Type.String()}
			if m.Type.Class == hdf5.ClassArray {
				a.Shape, a.DType = append(a.Shape, m.Type.Dims...), m.Type.Base.String()
			}
			out = append(out, a)
		}
		return out, nil
	}
	for _, name := range sortedKeys(links) {
		o, err := f.obsmObject(links[name])
		if err != nil {
			return nil, err
		}
		a := ArrayInfo{Name: name}
		if o.Kind() == hdf5.KindDataset {
			d, err := o.Dataset()
			if err != nil {
				return nil, err
			}
			a.Shape, a.DType = d.Shape(), d.Type().String()
		} else if enc, err := encodingOf(o); err != nil {
			return nil, err
		} else if !slices.Contains(obsmGroups, enc) {
			a.DType = enc
		} else if fr, m, err := f.obsmGroup(o); err != nil {
			return nil, err
		} else if fr != nil {
			a.Shape = []int{fr.Len(), len(fr.columns)}
		} else {
			a.Shape, a.DType = []int{m.rows, m.cols}, m.DType()
		}
		out = append(out, a)
	}
	return out, nil
}

// HasObsm reports whether obsm has an array of this name, readable or not.
func (f *File) HasObsm(name string) (bool, error) {
	links, legacy, err := f.obsm()
	if err != nil {
		return false, err
	}
	if legacy != nil {
		return slices.ContainsFunc(legacy.Type().Members, func(m hdf5.Member) bool { return m.Name == name }), nil
	}
	_, ok := links[name]
	return ok, nil
}

// obsm returns the entries of obsm, or the dataset of records that it was
// before anndata 0.7.
func (f *File) obsm() (map[string]hdf5.Link, *hdf5.Dataset, error) {
	l, ok := f.top["obsm"]
	if !ok {
		return nil, nil, nil
	}
	o, err := f.root.Open(l)
	if err != nil {
		return nil, nil, err
	}
	if o.Kind() == hdf5.KindDataset {
		d, err := o.Dataset()
		if err == nil && (d.Type().Class != hdf5.ClassCompound || len(d.Shape()) != 1) {
			err = f.errorf("obsm is a dataset of %v", d.Type())
		}
		return nil, d, err
	}
	links, err := entries(o)
	return links, nil, err
}

func (f *File) obsmObject(l hdf5.Link) (*hdf5.Object, error) {
	o, err := f.root.Open(f.top["obsm"])
	if err != nil {
		return nil, err
	}
	return o.Open(l)
}

// obsmGroups are the encodings of groups that obsmGroup opens; sparse matrices had
// none before anndata 0.7.
var obsmGroups = []string{"", "dataframe", "csr_matrix", "csc_matrix"}

// obsmGroup opens an array of obsm that is a frame or a sparse matrix.
func (f *File) obsmGroup(o *hdf5.Object) (*Frame, *Matrix, error) {
	enc, err := encodingOf(o)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(obsmGroups, enc) {
		return nil, nil, f.errorf("%s is of the encoding %q: want an array, a frame or a sparse matrix", o.Path(), enc)
	}
	if enc == "dataframe" {
		fr, err := f.openFrame(o)
		return fr, nil, err
	}
	name := "shape"
	if enc == "" {
		name = "h5sparse_shape"
	}
	a, err := o.Attribute(name)
	if err != nil {
		return nil, nil, f.sparseError(o.Path(), err)
	}
	dims, err := a.Int64s()
	if err != nil {
		return nil, nil, err
	}
	if len(dims) != 2 || dims[0] != int64(f.NObs()) || dims[1] < 0 || dims[1] > maxRowBytes/8 {
		return nil, nil, f.errorf("%s has shape %v, but there are %d cells", o.Path(), dims, f.NObs())
	}
	m, err := f.openMatrix(o, f.NObs(), int(dims[1]))
	return nil, m, err
}

// ObsmArray reads an array of obsm, frames and sparse matrices included. An
// unknown name gives ErrNotFound.
func (f *File) ObsmArray(ctx context.Context, name string) (*Array, error) {
	links, legacy, err := f.obsm()
	if err != nil {
		return nil, err
	}
	if legacy != nil {
		return f.legacyObsm(ctx, legacy, name)
	}
	l, ok := links[name]
	if !ok {
		return nil, f.missing(ErrNotFound, "there is no obsm %q; there are %s", name, quote.List(sortedKeys(links)))
	}
	o, err := f.obsmObject(l)
	if err != nil {
		return nil, err
	}
	if o.Kind() != hdf5.KindDataset {
		fr, m, err := f.obsmGroup(o)
		if err != nil {
			return nil, err
		}
		if fr != nil {
			return fr.array()
		}
		return m.array(ctx)
	}
	d, err := o.Dataset()
	if err != nil {
		return nil, err
	}
	if len(d.Shape()) == 0 || d.Rows() != f.NObs() {
		return nil, f.errorf("%s has shape %v, but there are %d cells", d.Path(), d.Shape(), f.NObs())
	}
	if err := d.CheckStored(0, d.Rows()); err != nil {
		return nil, err
	}
	a := &Array{Shape: d.Shape(), Data: make([]float32, d.Len())}
	return a, d.ReadFloat32s(ctx, a.Data, 0, d.Rows())
}

// array returns the columns of a frame of numbers.
func (fr *Frame) array() (*Array, error) {
	a := &Array{Shape: []int{fr.n, len(fr.columns)}, Data: make([]float32, 0)}
	var columns [][]float64
	for _, name := range fr.columns {
		c, err := fr.read(name)
		if err != nil {
			return nil, err
		}
		v := c.Floats()
		if v == nil && fr.n > 0 {
			return nil, fr.file.errorf("%s/%s is of kind %s, want numbers", fr.obj.Path(), name, c.Kind)
		}
		columns = append(columns, v)
	}
	for i := range fr.n {
		for _, c := range columns {
			a.Data = append(a.Data, float32(c[i]))
		}
	}
	return a, nil
}

// array returns a sparse matrix with its zeros.
func (m *Matrix) array(ctx context.Context) (*Array, error) {
	const most = 1 << 30
	if m.cols > 0 && m.rows > most/m.cols {
		return nil, m.file.errorf("%s has %d rows and %d columns, too many for an array", m.path, m.rows, m.cols)
	}
	a := &Array{Shape: []int{m.rows, m.cols}}
	b, err := m.Rows(ctx, 0, m.rows)
	if err != nil {
		return nil, err
	}
	a.Data = make([]float32, m.rows*m.cols)
	for i := range m.rows {
		columns, values := b.Row(i)
		for k, c := range columns {
			a.Data[i*m.cols+int(c)] = values[k]
		}
	}
	return a, nil
}

// legacyObsm reads one field of the records that obsm was.
func (f *File) legacyObsm(ctx context.Context, d *hdf5.Dataset, name string) (*Array, error) {
	if d.Rows() != f.NObs() {
		return nil, f.errorf("obsm has %d rows, but there are %d cells", d.Rows(), f.NObs())
	}
	for _, m := range d.Type().Members {
		if m.Name != name {
			continue
		}
		t, shape := m.Type, []int{d.Rows()}
		if t.Class == hdf5.ClassArray {
			t, shape = t.Base, append(shape, t.Dims...)
		}
		if !t.Numeric() {
			return nil, f.errorf("obsm/%s holds %v, want numbers", name, t)
		}
		fr := &Frame{file: f, legacy: d, n: d.Rows()}
		raw, err := fr.field(ctx, m)
		if err != nil {
			return nil, err
		}
		a := &Array{Shape: shape}
		for _, v := range hdf5.Float64s(t, raw) {
			a.Data = append(a.Data, float32(v))
		}
		return a, nil
	}
	return nil, f.missing(ErrNotFound, "there is no obsm %q", name)
}
