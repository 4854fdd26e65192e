package anndata

import (
	"context"
	"errors"
	"os"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// Write writes a file of results. Nothing is left at dst when it fails or ctx
// ends.
func Write(ctx context.Context, dst string, r Results) error {
	err := errors.Join(
		checkColumns("obs", r.Obs, len(r.ObsIndex)),
		checkColumns("var", r.Var, len(r.VarIndex)),
		checkArrays("obsm", r.Obsm, len(r.ObsIndex)),
		checkArrays("varm", r.Varm, len(r.VarIndex)),
	)
	if err != nil {
		return err
	}
	return writeWhole(ctx, dst, func(file *os.File) error {
		e := &elements{Writer: hdf5.Create(file), ctx: ctx, deflate: r.Deflate}
		root, err := e.results(r)
		if err != nil {
			return err
		}
		return e.Finish(root)
	})
}

// results writes annotations, and the root group with more entries.
func (e *elements) results(r Results, entries ...hdf5.Entry) (hdf5.Ref, error) {
	add := func(name string, ref hdf5.Ref, err error) error {
		entries = append(entries, hdf5.NewEntry(name, ref))
		return err
	}
	ref, err := e.frame(r.ObsIndex, r.Obs)
	if err := add("obs", ref, err); err != nil {
		return 0, err
	}
	ref, err = e.frame(r.VarIndex, r.Var)
	if err := add("var", ref, err); err != nil {
		return 0, err
	}
	obsm, err := e.arrays(r.Obsm, len(r.ObsIndex))
	if err != nil {
		return 0, err
	}
	varm, err := e.arrays(r.Varm, len(r.VarIndex))
	if err != nil {
		return 0, err
	}
	uns, err := e.values(r.Uns, 0)
	if err != nil {
		return 0, err
	}
	for _, group := range []struct {
		name    string
		members []hdf5.Entry
	}{{"obsm", obsm}, {"varm", varm}, {"uns", uns}, {"layers", nil}, {"obsp", nil}, {"varp", nil}} {
		ref, err := e.dict(group.members)
		if err := add(group.name, ref, err); err != nil {
			return 0, err
		}
	}
	return e.Group(entries, encoded("anndata"))
}
