package engine_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// Genes that the small models know, and what none does.
var knownGenes = []string{"CD3D", "CD3E", "LYZ", "NKG7", "CST3", "IL7R"}

const unknownGene = "NOTAGENE"

// writeCells writes a folder as 10x Genomics does, with a value for each cell
// and gene, "" for none. field is integer or real.
func writeCells(t *testing.T, field string, genes []string, cells ...[]string) string {
	t.Helper()
	dir := t.TempDir()
	var entries, features, barcodes strings.Builder
	n := 0
	for c, values := range cells {
		fmt.Fprintf(&barcodes, "CELL%d\n", c)
		for g, v := range values {
			if v != "" {
				fmt.Fprintf(&entries, "%d %d %s\n", g+1, c+1, v)
				n++
			}
		}
	}
	for i, g := range genes {
		fmt.Fprintf(&features, "ENSG%011d\t%s\tGene Expression\n", i, g)
	}
	matrix := fmt.Sprintf("%%%%MatrixMarket matrix coordinate %s general\n%d %d %d\n%s", field, len(genes), len(cells), n, &entries)
	for name, text := range map[string]string{"matrix.mtx": matrix, "features.tsv": features.String(), "barcodes.tsv": barcodes.String()} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func requireFinite(t *testing.T, values []float32) {
	t.Helper()
	for i, v := range values {
		require.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0), "value %d is %v", i, v)
	}
}

// Cells without a gene that the model knows are embedded as <cls> alone, and
// said to be so wherever their result goes.
func TestEmptyCells(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	genes := append(slices.Clone(knownGenes), unknownGene)
	full := []string{"5", "3", "1", "2", "4", "1", ""}
	foreign := []string{"", "", "", "", "", "", "7"} // expresses what the model does not know
	path := writeCells(t, "integer", genes, full, make([]string, 7), full, foreign)
	for _, task := range []engine.Task{engine.Annotate, engine.Embed} {
		t.Run(string(task), func(t *testing.T) {
			cells := open(t, eng, path, engine.Options{Task: task})
			emb, err := cells.Embed(t.Context(), 0, 4, nil)
			require.NoError(t, err)
			require.Equal(t, []int{1, 3}, emb.Empty)
			require.EqualValues(t, 7+1+7+1, emb.Tokens)
			requireFinite(t, emb.Vectors)
			requireFinite(t, emb.Normalized())
			row := func(i int) []float32 { return emb.Vectors[i*emb.Dim : (i+1)*emb.Dim] }
			require.Equal(t, row(1), row(3))
			require.NotEqual(t, row(0), row(1))

			// Part of the file, with the same rows.
			part, err := cells.Embed(t.Context(), 2, 4, nil)
			require.NoError(t, err)
			require.Equal(t, []int{3}, part.Empty)
			labels, err := eng.Label(part)
			require.NoError(t, err)
			require.Equal(t, engine.Unassigned, labels.Types[1])
			require.Zero(t, labels.Confidence[1])
			require.NotEqual(t, engine.Unassigned, labels.Types[0])
		})
	}

	cells := open(t, eng, path, engine.Options{Task: engine.Annotate})
	emb, err := cells.Embed(t.Context(), 0, 4, nil)
	require.NoError(t, err)
	labels, err := eng.Label(emb)
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "out.h5ad")
	require.NoError(t, cells.WriteAnnotated(t.Context(), out, emb, labels, engine.Provenance{Device: eng.Class()}))
	f, err := anndata.Open(out)
	require.NoError(t, err)
	defer f.Close()
	column, err := f.Obs().Column(engine.LabelsKey)
	require.NoError(t, err)
	require.Equal(t, engine.Unassigned, column.Strings()[1])
	uns, err := f.UnsValue(t.Context(), engine.ProvenanceKey)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 3}, uns.(map[string]any)[engine.EmptyCellsKey])
}

// Scaled values often stand beside the others, in raw.
func TestScaledValuesBesideRaw(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	dir := writeCells(t, "real", knownGenes, []string{"9", "2"}, []string{"1", "9", "-1.5"}, []string{"1", "9", "9"}, []string{"1", "9", "9"})
	scaled, err := anndata.Open(dir)
	require.NoError(t, err)
	without := filepath.Join(t.TempDir(), "scaled.h5ad")
	batches := []anndata.NewColumn{{Name: "batch", Values: []string{"a", "b", "a", "b"}}}
	require.NoError(t, errors.Join(anndata.Copy(t.Context(), scaled, without, anndata.Additions{Obs: batches}), scaled.Close()))
	const hint = "; raw has 6 genes: copy it to X first (adata.raw.to_adata())"
	for _, c := range []struct{ path, hint string }{{without, ""}, {withRaw(t, without), hint}} {
		cells := open(t, eng, c.path, engine.Options{Task: engine.Annotate})
		_, err := cells.Embed(t.Context(), 0, cells.Len(), nil)
		require.EqualError(t, err, c.path+`: cell 1: gene "LYZ" (column 2) has the value -1.5; expression is 0 or more: counts, or their logarithm, not scaled values`+c.hint)
		_, err = cells.MeanTokens(t.Context())
		require.ErrorContains(t, err, "not scaled values"+c.hint)
		_, _, err = eng.OpenIntegration(t.Context(), c.path, engine.Options{BatchKey: "batch"}, engine.ChooseOptions{N: 1})
		require.EqualError(t, err, c.path+`: cell 1 ("CELL1"): gene "LYZ" (column 2): -1.5 is negative; counts or log-normalised values, not scaled to a mean of 0, are wanted`+c.hint)
	}
}

// withRaw writes a copy of a file with its own X and var as raw.
func withRaw(t *testing.T, path string) string {
	t.Helper()
	src, err := hdf5.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, src.Close()) }()
	out := filepath.Join(t.TempDir(), "raw.h5ad")
	file, err := os.Create(out)
	require.NoError(t, err)
	w, err := hdf5.Extend(t.Context(), file, src)
	require.NoError(t, err)
	root, err := src.Root()
	require.NoError(t, err)
	links, err := root.Links()
	require.NoError(t, err)
	var parts []hdf5.Entry
	for _, l := range links {
		if l.Name == "X" || l.Name == "var" {
			parts = append(parts, l.Entry())
		}
	}
	raw, err := w.Group(parts, nil)
	require.NoError(t, err)
	ref, err := w.Edit(root, hdf5.Edit{Entries: []hdf5.Entry{hdf5.NewEntry("raw", raw)}})
	require.NoError(t, err)
	require.NoError(t, errors.Join(w.Finish(ref), file.Close()))
	return out
}

// What the copy replaces is told, unless an earlier run wrote it.
func TestReplaced(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	emb := anndata.NewArray{Name: engine.EmbeddingKey, Cols: 1, Data: make([]float32, 2)}
	const is = " was in the input and is replaced in the copy"
	labels := []string{`obs["predicted_labels"]` + is, `obs["conf_score"]` + is}
	vectors := []string{`obsm["X_scGPT"]` + is}
	both := slices.Concat(labels, vectors)
	for name, c := range map[string]struct {
		there                bool
		uns                  any // nil for none
		annotated, embedding []string
	}{
		"nothing there":            {},
		"another tool's":           {true, nil, both, vectors},
		"another tool's uns":       {true, "horse", both, vectors},
		"annotated before":         {true, map[string]any{"method": "reference"}, nil, nil},
		"labelled before":          {true, map[string]any{"method": "classifier"}, nil, nil},
		"embedded before, not its": {true, map[string]any{"method": "integration"}, labels, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeCells(t, "integer", knownGenes, []string{"1", "2"}, []string{"1", "", "3"})
			if c.there {
				f, err := anndata.Open(path)
				require.NoError(t, err)
				add := anndata.Additions{Obsm: []anndata.NewArray{emb}, Obs: []anndata.NewColumn{
					{Name: engine.LabelsKey, Values: []string{"a", "b"}}, {Name: engine.ConfidenceKey, Values: []float32{1, 1}},
				}}
				if c.uns != nil {
					add.Uns = map[string]any{engine.ProvenanceKey: c.uns}
				}
				path = filepath.Join(t.TempDir(), "cells.h5ad")
				require.NoError(t, errors.Join(anndata.Copy(t.Context(), f, path, add), f.Close()))
			}
			cells := open(t, eng, path, engine.Options{Task: engine.Annotate})
			got, err := cells.Replaced(t.Context(), true)
			require.NoError(t, err)
			require.Equal(t, c.annotated, got)
			got, err = cells.Replaced(t.Context(), false)
			require.NoError(t, err)
			require.Equal(t, c.embedding, got)
		})
	}
}

// Values that are no expression stop the work and are named.
func TestValuesThatAreNoExpression(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	for value, want := range map[string]string{
		"nan":  "has the value NaN",
		"inf":  "has the value +Inf",
		"-inf": "has the value -Inf",
		"-1.5": "has the value -1.5; expression is 0 or more",
	} {
		t.Run(value, func(t *testing.T) {
			path := writeCells(t, "real", knownGenes, []string{"1", "2"}, []string{"1", "", value})
			for _, task := range []engine.Task{engine.Annotate, engine.Embed} {
				cells := open(t, eng, path, engine.Options{Task: task})
				_, err := cells.Embed(t.Context(), 0, 2, nil)
				require.ErrorContains(t, err, path+`: cell 1: gene "LYZ" (column 2) `+want)
				var classed interface{ ErrorType() string }
				require.ErrorAs(t, err, &classed)
				require.Equal(t, "InvalidDataError", classed.ErrorType())
				_, err = cells.Embed(t.Context(), 0, 1, nil)
				require.NoError(t, err, "the other cell is sound")
			}
		})
	}
	// In a gene that the model does not know it does not matter.
	path := writeCells(t, "real", append(slices.Clone(knownGenes), unknownGene), []string{"1", "", "", "", "", "", "nan"})
	emb, err := open(t, eng, path, engine.Options{}).Embed(t.Context(), 0, 1, nil)
	require.NoError(t, err)
	requireFinite(t, emb.Vectors)
}

func TestDuplicateGenes(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	genes := []string{"CD3D", "LYZ", "CD3D", "NKG7"}
	cells := open(t, eng, writeCells(t, "integer", genes, []string{"5", "2", "9", "1"}), engine.Options{})
	report := cells.GeneMatch()
	require.Equal(t, 3, report.Matched)
	require.Equal(t, 1, report.DuplicateCount)
	require.Equal(t, "CD3D", report.Duplicates[0].Gene)
	require.Equal(t, 0, report.Duplicates[0].Used)
	require.Equal(t, 2, report.Duplicates[0].Column)

	// The first column stands for the gene: the other could as well be away.
	got, err := cells.Embed(t.Context(), 0, 1, nil)
	require.NoError(t, err)
	want, err := open(t, eng, writeCells(t, "integer", genes, []string{"5", "2", "", "1"}), engine.Options{}).Embed(t.Context(), 0, 1, nil)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// Counts stored as whole numbers are the same cells.
func TestWholeNumbers(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	var results []*engine.Embeddings
	for _, field := range []string{"integer", "real"} {
		path := writeCells(t, field, knownGenes, []string{"5", "2", "", "1", "7", "1"}, []string{"1"})
		emb, err := open(t, eng, path, engine.Options{}).Embed(t.Context(), 0, 2, nil)
		require.NoError(t, err)
		results = append(results, emb)
	}
	require.Equal(t, results[0], results[1])
}

func TestLongCells(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	lengths := func(maxLength int) (tokens int64, truncated int) {
		emb, err := open(t, eng, celltypist, engine.Options{MaxLength: maxLength}).Embed(t.Context(), 0, 40, nil)
		require.NoError(t, err)
		requireFinite(t, emb.Vectors)
		return emb.Tokens, emb.Truncated
	}
	all, none := lengths(3001)
	require.Zero(t, none)
	capped, some := lengths(300)
	require.Positive(t, some)
	require.Less(t, capped, all)
	two, every := lengths(2)
	require.EqualValues(t, 2*40, two)
	require.Equal(t, 40, every)
}

func TestFilesWithoutCellsOrMatrix(t *testing.T) {
	eng := load(t, "tiny_scgpt", compute.Options{})
	anyGenes := engine.Options{Task: engine.Annotate, MinGeneShare: -1}
	none := open(t, eng, testdata+"/h5ad/empty_0x10.h5ad", anyGenes)
	emb, err := none.Embed(t.Context(), 0, none.Len(), nil)
	require.NoError(t, err)
	require.Empty(t, emb.Vectors)
	labels, err := eng.Label(emb)
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "out.h5ad")
	require.NoError(t, none.WriteAnnotated(t.Context(), out, emb, labels, engine.Provenance{Device: eng.Class(), Method: "reference", Reference: "lung", BatchKey: "donor"}))
	f, err := anndata.Open(out)
	require.NoError(t, err)
	defer f.Close()
	require.Zero(t, f.NObs())
	uns, err := f.UnsValue(t.Context(), engine.ProvenanceKey)
	require.NoError(t, err)
	require.Subset(t, uns, map[string]any{"method": "reference", "reference": "lung", "batch_key": "donor"})
	require.NotContains(t, uns, "reference_fingerprint", "what does not apply")
	require.True(t, f.Obs().Has(engine.LabelsKey))
	mean, err := none.MeanTokens(t.Context())
	require.NoError(t, err)
	require.Zero(t, mean)

	// A layer stands in for an X that is not there.
	_, err = eng.Open(testdata+"/h5ad/no_X.h5ad", anyGenes)
	require.ErrorContains(t, err, "X is missing")
	anyGenes.Layer = "counts"
	layer := open(t, eng, testdata+"/h5ad/no_X.h5ad", anyGenes)
	emb, err = layer.Embed(t.Context(), 0, layer.Len(), nil)
	require.NoError(t, err)
	require.Len(t, emb.Empty, layer.Len(), "the made-up genes of this file are not in the vocabulary")

	_, err = eng.Open(writeCells(t, "integer", nil, []string{}), engine.Options{})
	require.Error(t, err)
}
