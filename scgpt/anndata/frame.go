package anndata

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// A Frame is a table with one row per cell (obs) or per gene (var): named
// columns, and an index of row names.
type Frame struct {
	file    *File
	obj     *hdf5.Object
	path    string
	index   string
	columns []string
	links   map[string]hdf5.Link
	n       int

	// legacy is the record array of anndata before 0.7, nil otherwise.
	legacy *hdf5.Dataset

	// lazy has the readers of columns and index where the file is no .h5ad
	// file; nil otherwise.
	lazy map[string]lazyColumn
}

func (f *File) openFrame(o *hdf5.Object) (*Frame, error) {
	fr := &Frame{file: f, obj: o, path: o.Path()}
	if o.Kind() == hdf5.KindDataset {
		return fr, fr.openLegacy()
	}
	var err error
	if fr.links, err = entries(o); err != nil {
		return nil, err
	}
	index, err := o.Attribute("_index")
	if errors.Is(err, hdf5.ErrNotFound) {
		return nil, f.errorf("%s has no attribute \"_index\": not a data frame", o.Path())
	}
	if err != nil {
		return nil, err
	}
	if fr.index, err = index.Text(); err != nil {
		return nil, err
	}
	order, err := o.Attribute("column-order")
	if errors.Is(err, hdf5.ErrNotFound) {
		return nil, f.errorf("%s has no attribute \"column-order\": not a data frame", o.Path())
	}
	if err != nil {
		return nil, err
	}
	// An empty list is stored as one of numbers.
	if order.Len() > 0 {
		if fr.columns, err = order.Strings(); err != nil {
			return nil, err
		}
	}
	names, err := fr.object(fr.index)
	if err != nil {
		return nil, err
	}
	d, err := names.Dataset()
	if names.Kind() == hdf5.KindGroup { // nullable texts: values and mask
		var values *hdf5.Object
		if values, err = names.Object("values"); err == nil {
			d, err = values.Dataset()
		}
	}
	if err != nil {
		return nil, err
	}
	if len(d.Shape()) != 1 {
		return nil, f.errorf("%s has shape %v; row names have one dimension", d.Path(), d.Shape())
	}
	fr.n = d.Rows()
	return fr, nil
}

// object returns the object of a column. A name with slashes is a path.
func (fr *Frame) object(name string) (*hdf5.Object, error) {
	if l, ok := fr.links[name]; ok {
		return fr.obj.Open(l)
	}
	o, err := fr.obj.Object(name)
	if errors.Is(err, hdf5.ErrNotFound) {
		return nil, fr.file.errorf("%s lists a column %q, but has none", fr.obj.Path(), name)
	}
	return o, err
}

// Len returns the number of rows.
func (fr *Frame) Len() int { return fr.n }

// IndexName returns the name of the index, "_index" when it has none of its
// own.
func (fr *Frame) IndexName() string { return fr.index }

// Index returns the row names.
func (fr *Frame) Index() ([]string, error) {
	c, err := fr.read(fr.index)
	if err != nil {
		return nil, err
	}
	return c.Strings(), nil
}

// Columns returns the names of the columns in their order.
func (fr *Frame) Columns() []string { return slices.Clone(fr.columns) }

// Has reports whether there is a column of that name.
func (fr *Frame) Has(name string) bool { return slices.Contains(fr.columns, name) }

// Column reads a column. An unknown name gives ErrNotFound.
func (fr *Frame) Column(name string) (*Column, error) {
	if !fr.Has(name) {
		return nil, fr.file.missing(ErrNotFound, "%s has no column %q; it has %s", fr.path, name, quote.List(fr.columns))
	}
	return fr.read(name)
}

func (fr *Frame) read(name string) (*Column, error) {
	ctx := context.Background()
	if fr.lazy != nil {
		return fr.readLazy(ctx, name)
	}
	if fr.legacy != nil {
		return fr.readLegacy(ctx, name)
	}
	o, err := fr.object(name)
	if err != nil {
		return nil, err
	}
	c, err := fr.file.readColumn(ctx, o)
	if err != nil {
		return nil, err
	}
	c.Name = name
	if c.Len() != fr.n {
		return nil, fr.file.errorf("%s has %d rows, but %s has %d", o.Path(), c.Len(), fr.obj.Path(), fr.n)
	}
	return c, nil
}
