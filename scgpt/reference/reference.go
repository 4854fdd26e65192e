package reference

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// Reference is an open reference. It does not change and is safe for concurrent
// use.
type Reference struct {
	Manifest
	dir string
	// fingerprint is the sum of the manifest, which holds that of the cells.
	fingerprint string
	labels      []string
	vectors     neighbors.Matrix
}

// Fingerprint returns what identifies the content of the reference in a folder,
// without reading all of it.
func Fingerprint(dir string) (string, error) {
	_, sum, err := readManifest(dir)
	return sum, err
}

// Open reads the reference of a folder into memory, 4·Dim bytes per cell and
// little more. The error of a damaged one is an *[Error].
func Open(ctx context.Context, dir string) (*Reference, error) {
	m, sum, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, m.File)
	got, err := sumOf(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{dir, fmt.Sprintf("%s, which %s names, is not there: build the reference anew", m.File, manifestName)}
	}
	if err != nil {
		return nil, err
	}
	if got != m.SHA256 {
		return nil, &Error{path, fmt.Sprintf("the SHA-256 is %s, but %s says %s: build the reference anew", got, manifestName, m.SHA256)}
	}
	r := &Reference{Manifest: m, dir: dir, fingerprint: sum}
	if err := r.read(ctx, path); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Reference) read(ctx context.Context, path string) (err error) {
	f, err := anndata.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if f.NObs() != r.Cells {
		return &Error{path, fmt.Sprintf("%d cells, but %s speaks of %d", f.NObs(), manifestName, r.Cells)}
	}
	col, err := f.Obs().Column(labelKey)
	if err != nil {
		return err
	}
	r.labels = col.Strings()
	array, err := f.ObsmArray(ctx, engine.EmbeddingKey)
	if err != nil {
		return err
	}
	if len(array.Shape) != 2 || array.Shape[1] != r.Dim {
		return &Error{path, fmt.Sprintf("obsm[%q] has the shape %v, but %s speaks of %d values per cell", engine.EmbeddingKey, array.Shape, manifestName, r.Dim)}
	}
	r.vectors = neighbors.Matrix{Rows: r.Cells, Cols: r.Dim, Data: array.Data}
	return nil
}

// Fingerprint identifies the reference by its content.
func (r *Reference) Fingerprint() string { return r.fingerprint }

// Check returns an error unless the reference was built with the model: only
// embeddings of one checkpoint can be compared.
func (r *Reference) Check(eng *engine.Engine) error {
	if eng.Fingerprint() == r.Manifest.Fingerprint {
		return nil
	}
	return &Error{r.dir, fmt.Sprintf("the reference was built with the checkpoint %s (%s), but the request is for %s (%s): "+
		"ask for that model, or build a reference with this one", r.Model, r.Manifest.Fingerprint, eng.Name(), eng.Fingerprint())}
}

// QueryOptions returns how the cells of a request are turned into tokens: as the
// reference's, but for what the request says of its own file (layer, gene column,
// least share of genes). Where it asks for other tokens, that is an *[Error].
func (r *Reference) QueryOptions(asked engine.Options) (engine.Options, error) {
	o := r.Options
	for _, p := range []struct {
		name        string
		differs     bool
		asked, have any
	}{
		{"max_length", asked.MaxLength != 0 && asked.MaxLength != o.MaxLength, asked.MaxLength, o.MaxLength},
		{"cap", asked.Cap != "" && asked.Cap != o.Cap, asked.Cap, o.Cap},
		{"ties", asked.Ties != "" && asked.Ties != o.Ties, asked.Ties, o.Ties},
		{"seed", asked.Seed != 0 && asked.Seed != o.Seed, asked.Seed, o.Seed},
	} {
		if p.differs {
			return o, &Error{r.dir, fmt.Sprintf("the reference was built with %s = %v, but the request asks for %v: leave it out, or build another reference", p.name, p.have, p.asked)}
		}
	}
	o.Layer, o.GeneColumn, o.MinGeneShare = asked.Layer, asked.GeneColumn, asked.MinGeneShare
	return o, nil
}

// Defaults of [LabelOptions].
const (
	DefaultNeighbors     = 10
	DefaultMinConfidence = 0.5
)

// LabelOptions tune [Reference.Label].
type LabelOptions struct {
	// Neighbors is how many reference cells vote; 0 means
	// [DefaultNeighbors], or all where there are fewer. More than there are is an
	// *[Error].
	Neighbors int
	// MinConfidence is the share of them that must agree: below it, a cell is
	// [neighbors.Unassigned]. 0 means [DefaultMinConfidence], -1 no limit.
	MinConfidence float64
	// Threads as in [neighbors.Options].
	Threads int
}

// CheckNeighbors returns an *[Error] unless the reference has as many cells as are to
// vote. Fewer would give every cell the label of the largest type, and a confidence
// that means something else than was asked for.
func (r *Reference) CheckNeighbors(n int) error {
	if n <= r.Cells {
		return nil
	}
	return &Error{r.dir, fmt.Sprintf("the reference has only %d cells, but %d are to vote (neighbors): leave that out for %d, or take a larger reference", r.Cells, n, min(DefaultNeighbors, r.Cells))}
}

// Label transfers labels to embedded cells, which must come from the reference's
// model. The confidence is the share of the neighbours that have the label. A cell
// in which no gene of the vocabulary is expressed is unassigned, with the
// confidence 0.
func (r *Reference) Label(ctx context.Context, emb *engine.Embeddings, o LabelOptions) (*engine.Labels, error) {
	n := emb.To - emb.From
	if emb.Dim != r.Dim {
		return nil, &Error{r.dir, fmt.Sprintf("%d values per cell, but the cells have %d", r.Dim, emb.Dim)}
	}
	if err := r.CheckNeighbors(o.Neighbors); err != nil {
		return nil, err
	}
	if o.Neighbors == 0 {
		o.Neighbors = min(DefaultNeighbors, r.Cells)
	}
	switch o.MinConfidence {
	case 0:
		o.MinConfidence = DefaultMinConfidence
	case -1:
		o.MinConfidence = 0
	}
	l := &engine.Labels{Types: make([]string, 0, n), Confidence: make([]float32, 0, n)}
	// In runs, since the copies of unit length would double the memory.
	for from := 0; from < n; from += runCells {
		to := min(from+runCells, n)
		run := &engine.Embeddings{Dim: emb.Dim, Vectors: emb.Vectors[from*emb.Dim : to*emb.Dim]}
		queries := neighbors.Matrix{Rows: to - from, Cols: emb.Dim, Data: run.Normalized()}
		found, err := neighbors.Search(ctx, queries, r.vectors, o.Neighbors, neighbors.Options{Threads: o.Threads})
		if err != nil {
			return nil, err
		}
		votes, err := neighbors.Transfer(found, r.labels, neighbors.TransferOptions{Threshold: o.MinConfidence})
		if err != nil {
			return nil, err
		}
		for _, v := range votes {
			l.Types = append(l.Types, v.Label)
			l.Confidence = append(l.Confidence, float32(v.Confidence))
		}
	}
	for _, cell := range emb.Empty {
		l.Types[cell-emb.From], l.Confidence[cell-emb.From] = neighbors.Unassigned, 0
	}
	return l, nil
}
