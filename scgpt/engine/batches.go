package engine

import (
	"fmt"
	"maps"
	"slices"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
)

// Batches are the batches of a file's cells, and which of the model's domains
// each takes: domain-specific batch norms and batch labels, learnt for the
// batches that the model was fine-tuned on.
type Batches struct {
	// Key is the column of obs.
	Key string
	// Names are sorted, Domains has the domain of each. Domains is nil for a
	// model without any, which treats all batches alike.
	Names   []string
	Domains []int
	// Cells holds the number, in Names, of each cell's batch.
	Cells []int32
}

// Of returns the names of the cells' batches, one for each cell.
func (b *Batches) Of() []string {
	names := make([]string, len(b.Cells))
	for i, k := range b.Cells {
		names[i] = b.Names[k]
	}
	return names
}

// domain returns the domain of a cell, 0 where nothing depends on it.
func (b *Batches) domain(cell int) int {
	if b == nil || b.Domains == nil {
		return 0
	}
	return b.Domains[b.Cells[cell]]
}

// readBatches reads a column of obs and gives each batch a domain of the model:
// the place of its name among named, or, where none is named, in alphabetical
// order, as upstream numbers the batches that it is fine-tuned on. Then there
// must be as many batches as domains, or it would be guessing.
func readBatches(f *anndata.File, column string, named []string, domains int) (*Batches, error) {
	obs := f.Obs()
	if !obs.Has(column) {
		return nil, &Error{f.Path(), fmt.Sprintf("obs has no column %q; it has %s", column, quote.List(obs.Columns()))}
	}
	col, err := obs.Column(column)
	if err != nil {
		return nil, err
	}
	b := &Batches{Key: column}
	number := map[string]int32{}
	cells := col.Strings()
	for i, name := range cells {
		if name == "" {
			return nil, &Error{f.Path(), fmt.Sprintf("obs[%q] of cell %d is missing: every cell needs a batch", column, i)}
		}
		number[name] = 0
	}
	b.Names = slices.Sorted(maps.Keys(number))
	for k, name := range b.Names {
		number[name] = int32(k)
	}
	b.Cells = make([]int32, len(cells))
	for i, name := range cells {
		b.Cells[i] = number[name]
	}
	if domains == 0 {
		return b, nil
	}
	if len(named) == 0 {
		if len(b.Names) != domains {
			return nil, &Error{f.Path(), fmt.Sprintf("obs[%q] has %d batches, but the model was fine-tuned on %d: name those of the model, in the order of its domains", column, len(b.Names), domains)}
		}
		named = b.Names
	}
	if len(named) > domains {
		return nil, &Error{f.Path(), fmt.Sprintf("%d batches are named for a model with %d domains", len(named), domains)}
	}
	for _, name := range b.Names {
		d := slices.Index(named, name)
		if d < 0 {
			return nil, &Error{f.Path(), fmt.Sprintf("obs[%q] has a batch %q, which the model does not know; it knows %q", column, name, named)}
		}
		b.Domains = append(b.Domains, d)
	}
	return b, nil
}
