package anndata

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// Copy writes src with additions to dst; everything else stays as it is, byte
// for byte where it lies. Memory does not depend on the size of the file. A
// file from before anndata 0.8, which says little or nothing of how its
// elements are encoded, gets today's encodings, and its matrices are not
// touched. Nothing is left at dst when Copy fails or ctx ends; dst must not be
// the file that is read.
//
// What is replaced stays in the file without a name, as it does when h5py
// replaces something, so that copying a copy again and again adds up.
//
// A matrix of 10x Genomics becomes an .h5ad file: X as CSR of float32, obs and
// var, and the additions, all compressed as those are.
func Copy(ctx context.Context, src *File, dst string, add Additions) error {
	for _, path := range append([]string{src.path}, src.parts...) {
		if err := checkDifferent(path, dst); err != nil {
			return err
		}
	}
	err := errors.Join(
		checkColumns("obs", add.Obs, src.NObs()),
		checkArrays("obsm", add.Obsm, src.NObs()),
	)
	for _, c := range add.Obs {
		if c.Name == src.obs.index {
			err = errors.Join(err, fmt.Errorf("obs/%s: the name is that of the index", c.Name))
		}
	}
	if err != nil {
		return err
	}
	if src.x != nil {
		return writeWhole(ctx, dst, func(file *os.File) error { return src.convert(ctx, file, add) })
	}
	return writeWhole(ctx, dst, func(file *os.File) error {
		w, err := hdf5.Extend(ctx, file, src.h5)
		if err != nil {
			return err
		}
		c := &copier{elements: elements{Writer: w, ctx: ctx, deflate: add.Deflate}, src: src}
		root, err := c.copy(add)
		if err != nil {
			return err
		}
		return c.Finish(root)
	})
}

// CheckName makes sure that a path is that of an .h5ad file by its name, which
// scanpy and others choose the reader by. Nothing is opened.
func CheckName(path string) error {
	if base := filepath.Base(path); !strings.HasSuffix(base, ".h5ad") || base == ".h5ad" {
		return fmt.Errorf("%s: an .h5ad file is written: want a name that ends in .h5ad", path)
	}
	return nil
}

// checkDifferent reports whether two paths name one file, through links too.
func checkDifferent(src, dst string) error {
	a, err := os.Stat(src)
	if err != nil {
		return err
	}
	b, err := os.Stat(dst)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if os.SameFile(a, b) {
		return &DataError{File: dst, Reason: "is the file that is read; the copy needs a name of its own"}
	}
	return nil
}

// A copier writes an extended copy of a file.
type copier struct {
	elements
	src *File
	// upgrade is true while the file's own elements get today's encodings.
	upgrade bool
	// used are the lists of categories in uns that columns took over.
	used map[string]bool
	// modernized are the objects that have their new form, by address; 0 while
	// one is being written.
	modernized map[uint64]hdf5.Ref
}

func (c *copier) copy(add Additions) (hdf5.Ref, error) {
	edit := hdf5.Edit{}
	old, err := c.src.outdated()
	if err != nil {
		return 0, err
	}
	if old {
		c.upgrade, c.used, c.modernized = true, map[string]bool{}, map[uint64]hdf5.Ref{}
		if edit, err = c.modernRoot(); err != nil {
			return 0, err
		}
	}
	obs, changed, err := c.obs(add.Obs)
	if err != nil {
		return 0, err
	}
	if changed {
		edit.Entries = append(edit.Entries, hdf5.NewEntry("obs", obs))
	}
	arrays, err := c.arrays(add.Obsm, c.src.NObs())
	if err != nil {
		return 0, err
	}
	values, err := c.values(add.Uns, 0)
	if err != nil {
		return 0, err
	}
	for _, group := range []struct {
		name  string
		added []hdf5.Entry
	}{{"obsm", arrays}, {"uns", values}} {
		if len(group.added) == 0 && !c.upgrade {
			continue
		}
		ref, err := c.extendDict(group.name, group.added)
		if err != nil {
			return 0, err
		}
		edit.Entries = append(edit.Entries, hdf5.NewEntry(group.name, ref))
	}
	return c.Edit(c.src.root, edit)
}

// obs writes the frame of cells with columns added; changed is false where it
// can stay.
func (c *copier) obs(columns []NewColumn) (ref hdf5.Ref, changed bool, err error) {
	if len(columns) == 0 && !c.upgrade {
		return 0, false, nil
	}
	var entries []hdf5.Entry
	order := c.src.obs.Columns()
	for _, column := range columns {
		ref, err := c.column(column.Values)
		if err != nil {
			return 0, false, fmt.Errorf("obs/%s: %w", column.Name, err)
		}
		entries = append(entries, hdf5.NewEntry(column.Name, ref))
		if !slices.Contains(order, column.Name) {
			order = append(order, column.Name)
		}
	}
	if c.upgrade {
		ref, err = c.modernFrame(c.src.obs, entries, order, 0)
		return ref, true, err
	}
	if order == nil {
		order = []string{}
	}
	ref, err = c.Edit(c.src.obs.obj, hdf5.Edit{
		Entries: entries,
		Attrs:   []hdf5.Attr{{Name: "column-order", Value: order}},
	})
	return ref, true, err
}

// extendDict writes a group of the root with entries added.
func (c *copier) extendDict(name string, added []hdf5.Entry) (hdf5.Ref, error) {
	l, ok := c.src.top[name]
	if !ok {
		return c.dict(added)
	}
	o, err := c.src.root.Open(l)
	if err != nil {
		return 0, err
	}
	if c.upgrade {
		return c.modernDict(o, added, 0)
	}
	return c.Edit(o, hdf5.Edit{Entries: added})
}
