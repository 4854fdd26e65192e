package anndata

import (
	"context"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// Limits of what UnsValue reads: groups may contain one another.
const (
	maxUnsDepth  = 32
	maxUnsValues = 100_000
)

// An Opaque stands for a value of uns that is not read: a frame, a sparse
// matrix, records.
type Opaque struct{ Encoding string }

// UnsValue reads one unstructured value: a string, bool, int64 or float64, a
// slice of one of these, an [Array] where it has several dimensions, a
// map[string]any of such values, nil for a null, or an [Opaque]. An unknown
// name gives ErrNotFound.
func (f *File) UnsValue(ctx context.Context, name string) (any, error) {
	l, ok := f.top["uns"]
	if !ok {
		return nil, f.missing(ErrNotFound, "there is no uns")
	}
	uns, err := f.root.Open(l)
	if err != nil {
		return nil, err
	}
	links, err := entries(uns)
	if err != nil {
		return nil, err
	}
	if l, ok = links[name]; !ok {
		return nil, f.missing(ErrNotFound, "there is no uns %q; there are %s", name, quote.List(f.uns))
	}
	o, err := uns.Open(l)
	if err != nil {
		return nil, err
	}
	left := maxUnsValues
	return f.value(ctx, o, 0, &left)
}

func (f *File) value(ctx context.Context, o *hdf5.Object, depth int, left *int) (any, error) {
	if *left--; *left < 0 || depth > maxUnsDepth {
		return nil, f.errorf("%s: more than %d values, or %d levels", o.Path(), maxUnsValues, maxUnsDepth)
	}
	enc, err := encodingOf(o)
	if err != nil {
		return nil, err
	}
	if o.Kind() == hdf5.KindDataset {
		return f.datasetValue(ctx, o, enc)
	}
	if enc != "dict" && enc != "" {
		return Opaque{enc}, nil
	}
	links, err := entries(o)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(links))
	for _, name := range sortedKeys(links) {
		child, err := o.Open(links[name])
		if err != nil {
			return nil, err
		}
		if out[name], err = f.value(ctx, child, depth+1, left); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *File) datasetValue(ctx context.Context, o *hdf5.Object, enc string) (any, error) {
	d, err := o.Dataset()
	if err != nil {
		return nil, err
	}
	t, shape := d.Type(), d.Shape()
	switch {
	case d.Null():
		return nil, nil
	case !t.Text() && !t.Numeric():
		return Opaque{enc}, nil
	case len(shape) == 0:
		return scalar(ctx, d)
	case len(shape) == 1:
		c, err := f.readValues(ctx, d)
		if err != nil {
			return nil, err
		}
		switch c.Kind {
		case KindString:
			return c.texts, nil
		case KindFloat:
			return c.floats, nil
		case KindBool:
			out := make([]bool, len(c.ints))
			for i, v := range c.ints {
				out[i] = v != 0
			}
			return out, nil
		}
		return c.ints, nil
	case t.Text():
		return Opaque{enc}, nil
	}
	if err := d.CheckStored(0, d.Rows()); err != nil {
		return nil, err
	}
	a := &Array{Shape: shape, Data: make([]float32, d.Len())}
	return a, d.ReadFloat32s(ctx, a.Data, 0, d.Rows())
}

// scalar reads a dataset of one value.
func scalar(ctx context.Context, d *hdf5.Dataset) (any, error) {
	t := d.Type()
	if t.Text() {
		s, err := d.ReadStrings(ctx, 0, 1)
		if err != nil {
			return nil, err
		}
		return s[0], nil
	}
	if t.Integer() {
		var v [1]int64
		if err := d.ReadInt64s(ctx, v[:], 0, 1); err != nil {
			return nil, err
		}
		if t.Bool() {
			return v[0] != 0, nil
		}
		return v[0], nil
	}
	var v [1]float64
	err := d.ReadFloat64s(ctx, v[:], 0, 1)
	return v[0], err
}
