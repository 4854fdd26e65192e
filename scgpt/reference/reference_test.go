package reference_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/reference"
)

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

const (
	testdata = "../../testdata"
	train    = testdata + "/cells/pbmc68k_train.h5ad"
	held     = testdata + "/cells/pbmc68k_test.h5ad"
	samples  = testdata + "/references"
)

// update writes the sample reference anew.
var update = flag.Bool("update", false, "build testdata/references/pbmc68k anew")

func load(t *testing.T, model string) *engine.Engine {
	t.Helper()
	dev, err := compute.Open("cpu", compute.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	eng, err := engine.Load(filepath.Join(testdata, "models", model), dev)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, eng.Close()) })
	return eng
}

func build(t *testing.T, eng *engine.Engine, folder string) reference.Manifest {
	t.Helper()
	m, err := reference.Build(t.Context(), eng, train, reference.BuildOptions{Folder: folder, Name: "pbmc68k", Version: "0.1.0"})
	require.NoError(t, err)
	return m
}

func embed(t *testing.T, eng *engine.Engine, path string, opts engine.Options) (*engine.Cells, *engine.Embeddings) {
	t.Helper()
	cells, err := eng.Open(path, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cells.Close()) })
	emb, err := cells.Embed(t.Context(), 0, cells.Len(), nil)
	require.NoError(t, err)
	return cells, emb
}

func TestBuildAndLabel(t *testing.T) {
	eng, folder := load(t, "tiny_scgpt"), t.TempDir()
	calls := 0
	m, err := reference.Build(t.Context(), eng, train, reference.BuildOptions{
		Folder: folder, Name: "pbmc68k", Progress: func(done, total int) { calls++; require.Equal(t, 500, total) },
	})
	require.NoError(t, err)
	require.Positive(t, calls)
	require.Equal(t, 500, m.Cells)
	require.Equal(t, 171, m.Types["Dendritic"])
	require.Equal(t, "celltype", m.Source.LabelColumn)
	require.Equal(t, "even", m.Options.Cap, "what was left open is written down")
	names, err := reference.Names(folder)
	require.NoError(t, err)
	require.Equal(t, []string{"pbmc68k"}, names)

	dir, err := reference.Find(folder, "pbmc68k")
	require.NoError(t, err)
	r, err := reference.Open(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, r.Check(eng))
	require.ErrorContains(t, r.Check(load(t, "tiny_scgpt_dsbn")), "was built with the checkpoint tiny_scgpt")
	sum, err := reference.Fingerprint(dir)
	require.NoError(t, err)
	require.Equal(t, sum, r.Fingerprint())

	cells, emb := embed(t, eng, held, r.Options)
	labels, err := r.Label(t.Context(), emb, reference.LabelOptions{})
	require.NoError(t, err)
	truth, err := cells.Truth("", r.TypeNames())
	require.NoError(t, err)
	scores, err := truth.Score(labels)
	require.NoError(t, err)
	// The model was trained on the cells of the reference: that it finds the
	// held-out ones about as well as its own classifier says that the parts
	// fit, nothing more.
	require.InDelta(t, 0.81, scores.Accuracy, 0.011)

	all, err := r.Label(t.Context(), emb, reference.LabelOptions{MinConfidence: 1})
	require.NoError(t, err)
	for i, confidence := range all.Confidence {
		require.Equal(t, confidence < 1, all.Types[i] == neighbors.Unassigned)
		require.Equal(t, labels.Confidence[i], confidence)
	}
	lax, err := r.Label(t.Context(), emb, reference.LabelOptions{Neighbors: 400, MinConfidence: -1})
	require.NoError(t, err)
	require.NotContains(t, lax.Types, neighbors.Unassigned)
	require.Less(t, slices.Min(lax.Confidence), float32(reference.DefaultMinConfidence), "no cell is below the default")
	_, err = r.Label(t.Context(), emb, reference.LabelOptions{Neighbors: 501})
	require.ErrorContains(t, err, "the reference has only 500 cells, but 501 are to vote (neighbors)")
	_, err = r.Label(t.Context(), &engine.Embeddings{Dim: 3}, reference.LabelOptions{})
	require.ErrorContains(t, err, "64 values per cell, but the cells have 3")
}

// The cells of a reference, in many runs and with an empty one, label themselves.
func TestNearestIsTheCellItself(t *testing.T) {
	eng, folder := load(t, "tiny_scgpt"), t.TempDir()
	build(t, eng, folder)
	r, err := reference.Open(t.Context(), filepath.Join(folder, "pbmc68k"))
	require.NoError(t, err)
	cells, emb := embed(t, eng, train, r.Options)
	emb.Empty = []int{7}
	labels, err := r.Label(t.Context(), emb, reference.LabelOptions{Neighbors: 1})
	require.NoError(t, err)
	want, err := cells.Texts("celltype")
	require.NoError(t, err)
	want[7] = neighbors.Unassigned
	require.Equal(t, want, labels.Types)
	require.Zero(t, labels.Confidence[7])
}

func TestCellsWithoutALabelAreLeftOut(t *testing.T) {
	eng, dir := load(t, "tiny_scgpt"), t.TempDir()
	f, err := anndata.Open(train)
	require.NoError(t, err)
	defer f.Close()
	labels := make([]string, f.NObs())
	for i := range 100 {
		labels[i] = []string{"a", "", "b"}[i%3]
	}
	data := filepath.Join(dir, "labelled.h5ad")
	require.NoError(t, anndata.Copy(t.Context(), f, data, anndata.Additions{Obs: []anndata.NewColumn{
		{Name: "kind", Values: labels}, {Name: "none", Values: make([]string, f.NObs())},
	}}))
	m, err := reference.Build(t.Context(), eng, data, reference.BuildOptions{Folder: dir, Name: "x", LabelColumn: "kind"})
	require.NoError(t, err)
	require.Equal(t, 67, m.Cells)
	require.Equal(t, 433, m.Skipped)
	require.Equal(t, map[string]int{"a": 34, "b": 33}, m.Types)
	require.Equal(t, []string{"a", "b"}, m.TypeNames())

	_, err = reference.Build(t.Context(), eng, data, reference.BuildOptions{Folder: dir, Name: "y", LabelColumn: "none"})
	require.ErrorContains(t, err, "no cell has both a label")
	require.NoDirExists(t, filepath.Join(dir, "y"))
}

func TestBuildRefuses(t *testing.T) {
	eng, dir := load(t, "tiny_scgpt"), t.TempDir()
	cases := []struct {
		name, data string
		opts       reference.BuildOptions
		want       string
	}{
		{"no name", train, reference.BuildOptions{}, "no name for a reference"},
		{"a path", train, reference.BuildOptions{Name: "../x"}, "no name for a reference"},
		{"a hidden name", train, reference.BuildOptions{Name: ".x"}, "no name for a reference"},
		{"no such column", train, reference.BuildOptions{Name: "x", LabelColumn: "none"}, `no column "none"`},
		{"no labels", testdata + "/cells/celltypist_sample.h5ad", reference.BuildOptions{Name: "x"}, `no column "cell_type"`},
		{"not HDF5", testdata + "/h5ad/bad_nothdf5.h5ad", reference.BuildOptions{Name: "x"}, "bad_nothdf5.h5ad"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.opts.Folder = dir
			_, err := reference.Build(t.Context(), eng, c.data, c.opts)
			require.ErrorContains(t, err, c.want)
			requireInvalid(t, err)
		})
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	_, err := reference.Build(ctx, eng, train, reference.BuildOptions{Folder: dir, Name: "x"})
	require.ErrorIs(t, err, stop)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func requireInvalid(t *testing.T, err error) {
	t.Helper()
	var classed interface{ ErrorType() string }
	require.ErrorAs(t, err, &classed)
	require.Equal(t, "InvalidDataError", classed.ErrorType())
}

func TestFind(t *testing.T) {
	for _, name := range []string{"cellxgene", "../references/pbmc68k", "", "."} {
		_, err := reference.Find(samples, name)
		var missing *reference.NotFoundError
		require.ErrorAs(t, err, &missing)
		require.Equal(t, "FileNotFoundError", missing.ErrorType())
		require.ErrorContains(t, err, "holds pbmc68k")
		require.ErrorContains(t, err, "reference build --name "+name)
	}
	_, err := reference.Find(filepath.Join(t.TempDir(), "none"), "x")
	require.ErrorContains(t, err, "holds none")
	_, err = reference.Find("", "x")
	require.ErrorContains(t, err, "no folder of references is set")
}

func TestQueryOptions(t *testing.T) {
	r, err := reference.Open(t.Context(), filepath.Join(samples, "pbmc68k"))
	require.NoError(t, err)
	o, err := r.QueryOptions(engine.Options{Task: engine.Annotate, Layer: "counts", GeneColumn: "g", MinGeneShare: 0.1, Cap: "even"})
	require.NoError(t, err)
	want := r.Options
	want.Layer, want.GeneColumn, want.MinGeneShare = "counts", "g", 0.1
	require.Equal(t, want, o)
	for _, asked := range []engine.Options{{MaxLength: 7}, {Cap: "first"}, {Ties: "left"}, {Seed: 1}} {
		_, err := r.QueryOptions(asked)
		require.ErrorContains(t, err, "the reference was built with")
		requireInvalid(t, err)
	}
}

// A reference that was damaged is refused, with the file's name.
func TestDamagedReferences(t *testing.T) {
	eng, folder := load(t, "tiny_scgpt"), t.TempDir()
	m := build(t, eng, folder)
	dir := filepath.Join(folder, "pbmc68k")
	manifest, cells := filepath.Join(dir, "reference.json"), filepath.Join(dir, m.File)
	whole := map[string][]byte{}
	for _, path := range []string{manifest, cells} {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		whole[path] = data
	}
	change := func(f func(*reference.Manifest)) []byte {
		changed := m
		f(&changed)
		data, err := json.Marshal(changed)
		require.NoError(t, err)
		return data
	}
	cases := []struct {
		name, path string
		data       []byte
		want       string
	}{
		{"cut off", cells, whole[cells][:1000], "the SHA-256 is"},
		{"changed", cells, append([]byte("x"), whole[cells][1:]...), "the SHA-256 is"},
		{"gone", cells, nil, "is not there: build the reference anew"},
		{"not JSON", manifest, []byte("{"), "no manifest of a reference"},
		{"huge", manifest, []byte(`"` + strings.Repeat("x", 5<<20)), "more than 4194304 bytes"},
		{"format", manifest, change(func(m *reference.Manifest) { m.Format = "troupe-reference-9" }), "build the reference anew"},
		{"a path", manifest, change(func(m *reference.Manifest) { m.File = "../../x.h5ad" }), "want a name such as"},
		{"dim", manifest, change(func(m *reference.Manifest) { m.Dim = -1 }), "dim is -1"},
		{"another dim", manifest, change(func(m *reference.Manifest) { m.Dim = 65 }), "speaks of 65 values per cell"},
		{"no cells", manifest, change(func(m *reference.Manifest) { m.Cells = 0 }), "cells is 0"},
		{"other cells", manifest, change(func(m *reference.Manifest) { m.Cells = 501 }), "500 cells, but reference.json speaks of 501"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.data == nil {
				require.NoError(t, os.Remove(c.path))
			} else {
				require.NoError(t, os.WriteFile(c.path, c.data, 0o644))
			}
			_, err := reference.Open(t.Context(), dir)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, dir)
			requireInvalid(t, err)
			require.NoError(t, os.WriteFile(c.path, whole[c.path], 0o644))
			_, err = reference.Open(t.Context(), dir)
			require.NoError(t, err)
		})
	}
	_, err := reference.Open(t.Context(), filepath.Join(folder, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A rebuild of other cells replaces the reference, and the same build makes the
// same files.
func TestRebuild(t *testing.T) {
	eng, folder := load(t, "tiny_scgpt"), t.TempDir()
	first := build(t, eng, folder)
	require.Equal(t, first, build(t, eng, folder))
	dir := filepath.Join(folder, "pbmc68k")
	_, err := reference.Build(t.Context(), eng, held, reference.BuildOptions{Folder: folder, Name: "pbmc68k"})
	require.NoError(t, err)
	r, err := reference.Open(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, 200, r.Cells)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
}

// The sample reference in testdata is what Build makes of the training cells.
func TestSample(t *testing.T) {
	eng, folder := load(t, "tiny_scgpt"), t.TempDir()
	if *update {
		build(t, eng, samples)
	}
	m := build(t, eng, folder)
	sample, err := reference.Open(t.Context(), filepath.Join(samples, "pbmc68k"))
	require.NoError(t, err)
	require.NoError(t, sample.Check(eng))
	// Another device class has other last bits.
	want := sample.Manifest
	want.Device, want.File, want.SHA256 = m.Device, m.File, m.SHA256
	require.Equal(t, want, m)
	a, b := vectors(t, filepath.Join(samples, "pbmc68k", sample.File)), vectors(t, filepath.Join(folder, "pbmc68k", m.File))
	require.Len(t, b, len(a))
	for i := range a {
		require.LessOrEqual(t, math.Abs(float64(a[i]-b[i])), 1e-5)
	}
}

func vectors(t *testing.T, path string) []float32 {
	t.Helper()
	f, err := anndata.Open(path)
	require.NoError(t, err)
	defer f.Close()
	array, err := f.ObsmArray(t.Context(), engine.EmbeddingKey)
	require.NoError(t, err)
	return array.Data
}
