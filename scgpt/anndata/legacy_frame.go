package anndata

import (
	"context"
	"errors"
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// Before anndata 0.7 a frame was one dataset of records, of which the first
// field is the index. Categories of a field of codes stood in
// uns/<field>_categories.

func (fr *Frame) openLegacy() error {
	d, err := fr.obj.Dataset()
	if err != nil {
		return err
	}
	if d.Type().Class != hdf5.ClassCompound || len(d.Type().Members) == 0 || len(d.Shape()) != 1 {
		return fr.file.errorf("%s is a dataset of %v, not a data frame", d.Path(), d.Type())
	}
	fr.legacy, fr.n = d, d.Rows()
	for i, m := range d.Type().Members {
		if i == 0 {
			fr.index = m.Name
		} else {
			fr.columns = append(fr.columns, m.Name)
		}
	}
	return nil
}

func (fr *Frame) readLegacy(ctx context.Context, name string) (*Column, error) {
	d := fr.legacy
	var member hdf5.Member
	for _, m := range d.Type().Members {
		if m.Name == name {
			member = m
		}
	}
	raw, err := fr.field(ctx, member)
	if err != nil {
		return nil, err
	}
	t := member.Type
	field := d.Path() + "/" + name
	c := &Column{Name: name}
	switch {
	case t.Text() && t.Size > 0:
		c.Kind = KindString
		c.texts, err = fr.file.h5.Strings(t, raw)
	case t.Integer():
		c.Kind = KindInt
		if t.Bool() {
			c.Kind = KindBool
		}
		c.ints = hdf5.Int64s(t, raw)
		var categories []string
		if categories, err = fr.legacyCategories(name); categories != nil && fits(c.ints, len(categories)) {
			return c.categorize(categories), err
		}
	case t.Numeric():
		c.Kind, c.bits = KindFloat, max(32, 8*t.Size)
		c.floats = hdf5.Float64s(t, raw)
		c.markNaN()
	default:
		return nil, fr.file.errorf("%s holds %v, which a column cannot", field, t)
	}
	return c, err
}

// field reads one field of all records.
func (fr *Frame) field(ctx context.Context, m hdf5.Member) ([]byte, error) {
	const step = 1 << 14
	size := fr.legacy.Type().Size
	out := make([]byte, 0, fr.n*m.Type.Size)
	for from := 0; from < fr.n; from += step {
		raw, err := fr.legacy.ReadBytes(ctx, from, min(from+step, fr.n))
		if err != nil {
			return nil, err
		}
		for ; len(raw) >= size; raw = raw[size:] {
			out = append(out, raw[m.Offset:m.Offset+m.Type.Size]...)
		}
	}
	return out, nil
}

// legacyCategories returns the categories of a field, nil when it has none.
func (fr *Frame) legacyCategories(name string) ([]string, error) {
	o, err := fr.file.root.Object("uns/" + name + "_categories")
	if errors.Is(err, hdf5.ErrNotFound) {
		return nil, nil
	}
	if err != nil || o.Kind() != hdf5.KindDataset {
		return nil, err
	}
	d, err := o.Dataset()
	if err != nil || len(d.Shape()) > 1 {
		return nil, err
	}
	if len(d.Shape()) == 0 && d.Type().Text() { // a single category
		return d.ReadStrings(context.Background(), 0, 1)
	}
	c, err := fr.file.readColumn(context.Background(), o)
	if err != nil {
		return nil, err
	}
	return c.Strings(), nil
}

// fits reports whether codes belong to n categories. Obs and var share the
// names in uns; codes that do not fit are another frame's.
func fits(codes []int64, n int) bool {
	for _, c := range codes {
		if c < -1 || c >= int64(min(n, math.MaxInt32)) {
			return false
		}
	}
	return true
}

func (c *Column) categorize(categories []string) *Column {
	out := &Column{Name: c.Name, Kind: KindCategorical, Categories: categories, Codes: make([]int32, len(c.ints))}
	for i, v := range c.ints {
		out.Codes[i] = int32(v)
		if v == -1 {
			if out.missing == nil {
				out.missing = make([]bool, len(c.ints))
			}
			out.missing[i] = true
		}
	}
	return out
}
