package reference

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/evaluate"
)

// BuildOptions say what to build.
type BuildOptions struct {
	// Folder of references, which is made, and the name of the new one. A
	// reference of that name is replaced, once the new one is whole.
	Folder, Name string
	// LabelColumn is the column of obs with the labels; empty means celltype or
	// cell_type.
	LabelColumn string
	// Options say how cells become tokens. The task is [engine.Embed].
	Options engine.Options
	// Version of the program that builds, for the manifest.
	Version string
	// Progress, if not nil, is called with the number of cells done of all.
	Progress func(done, total int)
}

// Build makes a reference from a labelled .h5ad file. Cells without a label, and
// cells in which no gene of the model's vocabulary is expressed, are left out.
func Build(ctx context.Context, eng *engine.Engine, data string, o BuildOptions) (Manifest, error) {
	m := Manifest{Format: Format, Name: o.Name, Model: eng.Name(), Fingerprint: eng.Fingerprint(), Device: eng.Class(), Version: o.Version}
	if err := checkName(o.Name); err != nil {
		return m, err
	}
	o.Options.Task = engine.Embed
	o.Options = o.Options.WithDefaults()
	m.Options = o.Options
	cells, err := eng.Open(data, o.Options)
	if err != nil {
		return m, err
	}
	defer cells.Close()
	match := cells.GeneMatch()
	m.GenesMatched, m.GenesTotal = match.Matched, match.Total
	labels, column, err := labelsOf(cells, data, o.LabelColumn)
	if err != nil {
		return m, err
	}
	m.Source = Source{File: filepath.Base(data), LabelColumn: column}
	if m.Source.SHA256, err = sumOf(data); err != nil {
		return m, err
	}
	names, err := cells.Names()
	if err != nil {
		return m, err
	}
	kept, err := embed(ctx, cells, names, labels, o.Progress)
	if err != nil {
		return m, err
	}
	m.Cells, m.Skipped, m.Dim, m.Types = len(kept.labels), cells.Len()-len(kept.labels), kept.dim, count(kept.labels)
	if m.Cells == 0 {
		return m, &Error{data, fmt.Sprintf("no cell has both a label in obs[%q] and a gene that the model knows", column)}
	}
	dir := filepath.Join(o.Folder, o.Name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return m, err
	}
	if err := kept.write(ctx, dir, &m); err != nil {
		return m, err
	}
	return m, m.write(dir)
}

func checkName(name string) error {
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, `/\:`) || len(name) > 100 {
		return &Error{fmt.Sprintf("%q", name), "no name for a reference: want up to 100 letters, digits and the like, and no path"}
	}
	return nil
}

// labelsOf reads the labels of all cells.
func labelsOf(cells *engine.Cells, data, column string) ([]string, string, error) {
	candidates := []string{column}
	if column == "" {
		candidates = engine.TruthColumns()
	}
	for i, c := range candidates {
		labels, err := cells.Texts(c)
		if err != nil && i < len(candidates)-1 {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if n := len(count(labels)); n > evaluate.MaxLabels {
			return nil, "", &Error{data, fmt.Sprintf("obs[%q] holds %d different values, more than the %d types of a reference: is it a column of cell types?", c, n, evaluate.MaxLabels)}
		}
		return labels, c, nil
	}
	panic("there is always a candidate")
}

func count(labels []string) map[string]int {
	types := map[string]int{}
	for _, l := range labels {
		if l != "" {
			types[l]++
		}
	}
	return types
}

// labelled are cells with labels and embeddings of unit length.
type labelled struct {
	names, labels []string
	dim           int
	vectors       []float32
}

// runCells bounds what one run holds beside the result.
const runCells = 8192

func embed(ctx context.Context, cells *engine.Cells, names, labels []string, progress func(done, total int)) (*labelled, error) {
	kept := &labelled{}
	for from := 0; from < cells.Len(); from += runCells {
		to := min(from+runCells, cells.Len())
		emb, err := cells.Embed(ctx, from, to, func(done int) {
			if progress != nil {
				progress(from+done, cells.Len())
			}
		})
		if err != nil {
			return nil, err
		}
		kept.dim = emb.Dim
		vectors := emb.Normalized()
		for i := range to - from {
			cell := from + i
			if _, empty := slices.BinarySearch(emb.Empty, cell); empty || labels[cell] == "" {
				continue
			}
			kept.names = append(kept.names, names[cell])
			kept.labels = append(kept.labels, labels[cell])
			kept.vectors = append(kept.vectors, vectors[i*emb.Dim:(i+1)*emb.Dim]...)
		}
	}
	return kept, nil
}

// write writes the cells' file and notes it in the manifest.
func (l *labelled) write(ctx context.Context, dir string, m *Manifest) error {
	draft := filepath.Join(dir, ".troupe-cells.h5ad.tmp")
	err := anndata.Write(ctx, draft, anndata.Results{
		ObsIndex: l.names,
		Obs:      []anndata.NewColumn{{Name: labelKey, Values: l.labels}},
		Obsm:     []anndata.NewArray{{Name: engine.EmbeddingKey, Cols: l.dim, Data: l.vectors}},
		Uns: map[string]any{engine.ProvenanceKey: map[string]any{
			"model": m.Model, "fingerprint": m.Fingerprint, "device": m.Device, "version": m.Version,
			"source": m.Source.File, "source_sha256": m.Source.SHA256, "label_column": m.Source.LabelColumn,
		}},
	})
	if err != nil {
		return err
	}
	if m.SHA256, err = sumOf(draft); err != nil {
		return err
	}
	m.File = "cells-" + m.SHA256[:8] + ".h5ad"
	return os.Rename(draft, filepath.Join(dir, m.File))
}

// TypeNames returns the labels of a reference, sorted.
func (m Manifest) TypeNames() []string { return slices.Sorted(maps.Keys(m.Types)) }
