package anndata

import (
	"context"
	"errors"
	"math"
	"strconv"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// A Kind says what a column holds.
type Kind string

// The kinds of columns.
const (
	KindString      Kind = "string"
	KindCategorical Kind = "categorical"
	KindInt         Kind = "int"
	KindFloat       Kind = "float"
	KindBool        Kind = "bool"
)

// A Column is one column of a frame, in memory. Its slices must not be
// changed.
type Column struct {
	Name string
	Kind Kind

	// Categories are the texts of a categorical column and Codes the
	// category of each row, -1 where it is missing.
	Categories []string
	Codes      []int32
	// Ordered says that the order of the categories means something.
	Ordered bool

	missing []bool
	texts   []string
	ints    []int64 // whole numbers and booleans
	floats  []float64
	bits    int // of floats as stored
}

// Len returns the number of rows.
func (c *Column) Len() int {
	return max(len(c.Codes), len(c.texts), len(c.ints), len(c.floats))
}

// Missing says for each row whether its value is missing; nil when none is.
// NaN counts as missing.
func (c *Column) Missing() []bool { return c.missing }

// Strings returns the text of each row, whatever the kind. A missing value is
// empty; booleans are "True" and "False".
func (c *Column) Strings() []string {
	if c.texts != nil {
		return c.texts
	}
	out := make([]string, c.Len())
	for i := range out {
		if c.missing == nil || !c.missing[i] {
			out[i] = c.text(i)
		}
	}
	return out
}

func (c *Column) text(i int) string {
	switch c.Kind {
	case KindCategorical:
		return c.Categories[c.Codes[i]]
	case KindBool:
		if c.ints[i] != 0 {
			return "True"
		}
		return "False"
	case KindInt:
		return strconv.FormatInt(c.ints[i], 10)
	default:
		return strconv.FormatFloat(c.floats[i], 'g', -1, c.bits)
	}
}

// Floats returns the rows of a column of numbers or booleans, missing ones as
// NaN. It returns nil for texts and categories.
func (c *Column) Floats() []float64 {
	if c.floats != nil || c.ints == nil {
		return c.floats
	}
	out := make([]float64, len(c.ints))
	for i, v := range c.ints {
		out[i] = float64(v)
		if c.missing != nil && c.missing[i] {
			out[i] = math.NaN()
		}
	}
	return out
}

// Ints returns the rows of a column of whole numbers or booleans, missing ones
// as 0 and those beyond the range of int64 as its largest. It returns nil for
// every other kind.
func (c *Column) Ints() []int64 { return c.ints }

// readColumn reads a column or an index in any of its encodings.
func (f *File) readColumn(ctx context.Context, o *hdf5.Object) (*Column, error) {
	if o.Kind() == hdf5.KindGroup {
		parts, err := entries(o)
		if err != nil {
			return nil, err
		}
		if _, ok := parts["codes"]; ok {
			return f.readCategorical(ctx, o, parts)
		}
		if _, ok := parts["values"]; ok {
			return f.readNullable(ctx, o, parts)
		}
		enc, err := encodingOf(o)
		if err != nil {
			return nil, err
		}
		return nil, f.errorf("%s is a group of encoding %q, not a column", o.Path(), enc)
	}
	d, err := o.Dataset()
	if err != nil {
		return nil, err
	}
	c, err := f.readValues(ctx, d)
	if err != nil {
		return nil, err
	}
	// anndata 0.7: codes that refer to their categories.
	ref, err := o.Attribute("categories")
	if errors.Is(err, hdf5.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	targets, err := ref.References()
	if err != nil {
		return nil, err
	}
	if len(targets) != 1 {
		return nil, f.errorf("%s refers to %d lists of categories", o.Path(), len(targets))
	}
	return f.categorical(ctx, o.Path(), d, targets[0], targets[0])
}

// readCategorical reads a group of codes and categories.
func (f *File) readCategorical(ctx context.Context, o *hdf5.Object, parts map[string]hdf5.Link) (*Column, error) {
	codes, err := f.part(o, parts, "codes")
	if err != nil {
		return nil, err
	}
	categories, err := f.part(o, parts, "categories")
	if err != nil {
		return nil, err
	}
	d, err := codes.Dataset()
	if err != nil {
		return nil, err
	}
	return f.categorical(ctx, codes.Path(), d, categories, o)
}

// categorical joins codes with their categories. The object ordered may have
// the attribute of that name.
func (f *File) categorical(ctx context.Context, field string, codes *hdf5.Dataset, categories, ordered *hdf5.Object) (*Column, error) {
	names, err := f.readColumn(ctx, categories)
	if err != nil {
		return nil, err
	}
	if len(codes.Shape()) != 1 {
		return nil, f.errorf("%s has shape %v; codes have one dimension", field, codes.Shape())
	}
	c := &Column{Kind: KindCategorical, Categories: names.Strings()}
	if c.Categories == nil {
		c.Categories = []string{}
	}
	if err := codes.CheckStored(0, codes.Rows()); err != nil {
		return nil, err
	}
	c.Codes = make([]int32, codes.Rows())
	if err := codes.ReadInt32s(ctx, c.Codes, 0, codes.Rows()); err != nil {
		return nil, err
	}
	for i, code := range c.Codes {
		switch {
		case code == -1:
			if c.missing == nil {
				c.missing = make([]bool, len(c.Codes))
			}
			c.missing[i] = true
		case code < -1 || int(code) >= len(c.Categories):
			return nil, f.errorf("%s[%d] = %d, but there are %d categories", field, i, code, len(c.Categories))
		}
	}
	a, err := ordered.Attribute("ordered")
	if errors.Is(err, hdf5.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := a.Int64s()
	c.Ordered = len(v) == 1 && v[0] != 0
	return c, err
}

// readNullable reads a group of values and a mask of those that are missing.
func (f *File) readNullable(ctx context.Context, o *hdf5.Object, parts map[string]hdf5.Link) (*Column, error) {
	values, err := f.part(o, parts, "values")
	if err != nil {
		return nil, err
	}
	d, err := values.Dataset()
	if err != nil {
		return nil, err
	}
	c, err := f.readValues(ctx, d)
	if err != nil {
		return nil, err
	}
	if _, ok := parts["mask"]; !ok {
		return c, nil
	}
	mask, err := f.part(o, parts, "mask")
	if err != nil {
		return nil, err
	}
	if d, err = mask.Dataset(); err != nil {
		return nil, err
	}
	if len(d.Shape()) != 1 || d.Rows() != c.Len() {
		return nil, f.errorf("%s has shape %v, but there are %d values", mask.Path(), d.Shape(), c.Len())
	}
	if err := d.CheckStored(0, d.Rows()); err != nil {
		return nil, err
	}
	m := make([]int32, d.Rows())
	if err := d.ReadInt32s(ctx, m, 0, len(m)); err != nil {
		return nil, err
	}
	for i, v := range m {
		if v == 0 {
			continue
		}
		if c.missing == nil {
			c.missing = make([]bool, len(m))
		}
		c.missing[i] = true
		switch {
		case c.texts != nil:
			c.texts[i] = ""
		case c.ints != nil:
			c.ints[i] = 0
		default:
			c.floats[i] = math.NaN()
		}
	}
	return c, nil
}

// part opens a member of a column's group.
func (f *File) part(o *hdf5.Object, parts map[string]hdf5.Link, name string) (*hdf5.Object, error) {
	l, ok := parts[name]
	if !ok {
		return nil, f.errorf("%s has no %q", o.Path(), name)
	}
	return o.Open(l)
}

// readValues reads a dataset of one dimension.
func (f *File) readValues(ctx context.Context, d *hdf5.Dataset) (*Column, error) {
	if len(d.Shape()) != 1 {
		return nil, f.errorf("%s has shape %v; a column has one dimension", d.Path(), d.Shape())
	}
	n := d.Rows()
	if err := d.CheckStored(0, n); err != nil {
		return nil, err
	}
	t := d.Type()
	switch {
	case t.Text():
		texts, err := d.ReadStrings(ctx, 0, n)
		return &Column{Kind: KindString, texts: texts}, err
	case t.Integer():
		c := &Column{Kind: KindInt, ints: make([]int64, n)}
		if t.Bool() {
			c.Kind = KindBool
		}
		return c, d.ReadInt64s(ctx, c.ints, 0, n)
	case t.Numeric():
		c := &Column{Kind: KindFloat, floats: make([]float64, n), bits: max(32, 8*t.Size)}
		err := d.ReadFloat64s(ctx, c.floats, 0, n)
		c.markNaN()
		return c, err
	}
	return nil, f.errorf("%s holds %v, which a column cannot", d.Path(), t)
}

func (c *Column) markNaN() {
	for i, v := range c.floats {
		if math.IsNaN(v) {
			if c.missing == nil {
				c.missing = make([]bool, len(c.floats))
			}
			c.missing[i] = true
		}
	}
}

// encodingOf returns the attribute encoding-type, empty where there is none.
func encodingOf(o *hdf5.Object) (string, error) { return textAttribute(o, "encoding-type") }

func textAttribute(o *hdf5.Object, name string) (string, error) {
	a, err := o.Attribute(name)
	if errors.Is(err, hdf5.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return a.Text()
}
