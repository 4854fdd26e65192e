package anndata

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// openTenX opens the file if it is an .h5 file of Cell Ranger, which keeps
// features by cells as CSC: cells by features as CSR. Version 3 and later has a
// group "matrix" with the group "features" in it, earlier ones a group for each
// genome. It reports whether the file is one.
func (f *File) openTenX() (bool, error) {
	if _, ok := f.top["obs"]; ok {
		return false, nil
	}
	if _, ok := f.top["var"]; ok {
		return false, nil
	}
	if o, parts := f.tenXGroup("matrix", "barcodes", "features"); o != nil {
		return true, f.openTenX3(o, parts)
	}
	genomes := map[string]*hdf5.Object{}
	for _, name := range sortedKeys(f.top) {
		if o, _ := f.tenXGroup(name, "barcodes", "genes", "gene_names"); o != nil {
			genomes[name] = o
		}
	}
	if len(genomes) == 0 {
		return false, nil
	}
	genome := f.genome
	if genome == "" {
		if len(genomes) > 1 {
			return true, f.errorf("has the genomes %s; say which one to open", quote.List(sortedKeys(genomes)))
		}
		genome = sortedKeys(genomes)[0]
	}
	o, ok := genomes[genome]
	if !ok {
		return true, f.missing(ErrNotFound, "there is no genome %q; there are %s", genome, quote.List(sortedKeys(genomes)))
	}
	return true, f.openTenX2(o)
}

// tenXGroup returns a group of the root that has a sparse matrix and the other
// members named, nil if there is none such.
func (f *File) tenXGroup(name string, members ...string) (*hdf5.Object, map[string]hdf5.Link) {
	l, ok := f.top[name]
	if !ok {
		return nil, nil
	}
	o, err := f.root.Open(l)
	if err != nil || o.Kind() != hdf5.KindGroup {
		return nil, nil
	}
	parts, err := entries(o)
	if err != nil {
		return nil, nil
	}
	for _, member := range append(members, "data", "indices", "indptr", "shape") {
		if _, ok := parts[member]; !ok {
			return nil, nil
		}
	}
	return o, parts
}

func (f *File) openTenX3(o *hdf5.Object, parts map[string]hdf5.Link) error {
	group, err := f.part(o, parts, "features")
	if err != nil {
		return err
	}
	tables, err := entries(group)
	if err != nil {
		return err
	}
	ids, err := f.tenXTexts(group, "id")
	if err != nil {
		return err
	}
	n := ids.Rows()
	names, err := f.tenXTexts(group, "name")
	if err != nil {
		return err
	}
	types, err := f.tenXTexts(group, "feature_type")
	if err != nil {
		return err
	}
	for _, d := range []*hdf5.Dataset{names, types} {
		if d.Rows() != n {
			return f.errorf("%s has %d entries, but %s has %d", d.Path(), d.Rows(), ids.Path(), n)
		}
	}
	chosen := selection{total: n}
	if !f.allFeatures {
		values, err := f.tenXValues(types, n)
		if err != nil {
			return err
		}
		chosen = selectGenes(values)
	}
	if f.genome != "" {
		if chosen, err = f.ofGenome(group, chosen); err != nil {
			return err
		}
	}
	if err := f.tenXMatrix(o, chosen); err != nil {
		return err
	}
	read := func(d *hdf5.Dataset) func() ([]string, error) {
		return func() ([]string, error) {
			values, err := f.tenXValues(d, n)
			if err != nil {
				return nil, err
			}
			return chosen.of(values), nil
		}
	}
	f.vars = f.newLazyFrame("var", chosen.len(), textColumn(read(names)))
	f.vars.add("gene_ids", textColumn(read(ids)))
	f.vars.add("feature_types", categoryColumn(read(types)))
	for _, name := range sortedKeys(tables) {
		if slices.Contains([]string{"id", "name", "feature_type"}, name) || strings.HasPrefix(name, "_") || f.vars.Has(name) {
			continue
		}
		// Tags such as genome, pattern and sequence: what is none is no column.
		if d, err := f.tenXTexts(group, name); err == nil && d.Rows() == n {
			f.vars.add(name, categoryColumn(read(d)))
		}
	}
	return nil
}

func (f *File) openTenX2(o *hdf5.Object) error {
	names, err := f.tenXTexts(o, "gene_names")
	if err != nil {
		return err
	}
	ids, err := f.tenXTexts(o, "genes")
	if err != nil {
		return err
	}
	n := names.Rows()
	if ids.Rows() != n {
		return f.errorf("%s has %d entries, but %s has %d", ids.Path(), ids.Rows(), names.Path(), n)
	}
	if err := f.tenXMatrix(o, selection{total: n}); err != nil {
		return err
	}
	f.vars = f.newLazyFrame("var", n, textColumn(func() ([]string, error) { return f.tenXValues(names, n) }))
	f.vars.add("gene_ids", textColumn(func() ([]string, error) { return f.tenXValues(ids, n) }))
	return nil
}

// ofGenome keeps of a selection the features of the genome that was asked for.
func (f *File) ofGenome(group *hdf5.Object, s selection) (selection, error) {
	d, err := f.tenXTexts(group, "genome")
	if err != nil {
		return s, err
	}
	genomes, err := f.tenXValues(d, s.total)
	if err != nil {
		return s, err
	}
	if !slices.Contains(genomes, f.genome) {
		return s, f.missing(ErrNotFound, "there is no genome %q; there are %s", f.genome, quote.List(categorize(genomes).Names))
	}
	place := s.place()
	return selectFeatures(s.total, func(i int) bool { return genomes[i] == f.genome && (place == nil || place[i] >= 0) }), nil
}

// tenXMatrix opens the matrix of a group, and its barcodes as obs.
func (f *File) tenXMatrix(o *hdf5.Object, chosen selection) error {
	barcodes, err := f.tenXTexts(o, "barcodes")
	if err != nil {
		return err
	}
	n := barcodes.Rows()
	if n > math.MaxInt32 || chosen.total > math.MaxInt32 {
		return f.errorf("%s has %d barcodes and %d features; at most %d of each are possible", o.Path(), n, chosen.total, math.MaxInt32)
	}
	s, err := o.Object("shape")
	if err != nil {
		return err
	}
	shape, err := s.Dataset()
	if err != nil {
		return err
	}
	if !shape.Type().Integer() || len(shape.Shape()) != 1 || shape.Rows() != 2 {
		return f.errorf("%s holds %v of shape %v, want 2 whole numbers", shape.Path(), shape.Type(), shape.Shape())
	}
	dims := make([]int64, 2)
	if err := shape.ReadInt64s(context.Background(), dims, 0, 2); err != nil {
		return err
	}
	if dims[0] != int64(chosen.total) || dims[1] != int64(n) {
		return f.errorf("%s is %v, but there are %d features and %d barcodes", shape.Path(), dims, chosen.total, n)
	}
	f.obs = f.newLazyFrame("obs", n, textColumn(func() ([]string, error) { return f.tenXValues(barcodes, n) }))
	f.x = &Matrix{
		file:     f,
		path:     o.Path(),
		encoding: "csr",
		rows:     n,
		cols:     chosen.total,
		place:    chosen.place(),
		kept:     chosen.len(),
		sorter:   make(chan struct{}, 1),
	}
	return f.x.openSparse(o)
}

// tenXTexts opens a list of texts.
func (f *File) tenXTexts(group *hdf5.Object, name string) (*hdf5.Dataset, error) {
	o, err := group.Object(name)
	if err != nil {
		return nil, f.sparseError(group.Path(), err)
	}
	d, err := o.Dataset()
	if err != nil {
		return nil, err
	}
	if !d.Type().Text() || len(d.Shape()) != 1 {
		return nil, f.errorf("%s holds %v of shape %v, want a list of texts", d.Path(), d.Type(), d.Shape())
	}
	return d, nil
}

// tenXValues reads a list of n texts.
func (f *File) tenXValues(d *hdf5.Dataset, n int) ([]string, error) {
	if d.Rows() != n {
		return nil, f.errorf("%s has %d entries, want %d", d.Path(), d.Rows(), n)
	}
	c, err := f.readValues(context.Background(), d)
	if err != nil {
		return nil, err
	}
	return c.texts, nil
}
