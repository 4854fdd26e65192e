package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// sampleFile returns the path of a file in testdata.
func sampleFile(t *testing.T, path string) string {
	t.Helper()
	found, err := sample("testdata/"+path, "")
	require.NoError(t, err)
	return found
}

// tenX writes a folder as 10x Genomics does: the entries of matrix.mtx for the
// genes CD3D, LYZ, NKG7 and NOTAGENE, in three cells.
func tenX(t *testing.T, field, size, entries string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"matrix.mtx":   "%%MatrixMarket matrix coordinate " + field + " general\n" + size + "\n" + entries,
		"features.tsv": "E1\tCD3D\tGene Expression\nE2\tLYZ\tGene Expression\nE3\tNKG7\tGene Expression\nE4\tNOTAGENE\tGene Expression\n",
		"barcodes.tsv": "A-1\nB-1\nC-1\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func succeed[T any](t *testing.T, args ...string) (result T) {
	t.Helper()
	code, stdout, stderr := try(t, append(args, "--json")...)
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	require.NoError(t, json.Unmarshal([]byte(stdout), &result))
	return result
}

// Files that are odd, but no errors.
func TestOddFiles(t *testing.T) {
	cases := []struct {
		name, data string
		flags      []string
		want       embedResult
	}{
		{"no cells", sampleFile(t, "h5ad/empty_0x10.h5ad"), []string{"--min-gene-share", "0"}, embedResult{GenesTotal: 10}},
		{"a layer instead of X", sampleFile(t, "h5ad/no_X.h5ad"), []string{"--min-gene-share", "0", "--layer", "counts"}, embedResult{Cells: 10, GenesTotal: 6, Tokens: 10, EmptyCells: 10}},
		{"whole numbers", tenX(t, "integer", "4 3 4", "1 1 5\n2 1 3\n1 2 1\n3 3 2\n"), nil, embedResult{Cells: 3, GenesMatched: 3, GenesTotal: 4, Tokens: 7}},
		{"cells without a known gene", tenX(t, "real", "4 3 2", "1 1 5\n4 2 3\n"), nil, embedResult{Cells: 3, GenesMatched: 3, GenesTotal: 4, Tokens: 4, EmptyCells: 2}},
		{"no value at all", tenX(t, "integer", "4 3 0", ""), nil, embedResult{Cells: 3, GenesMatched: 3, GenesTotal: 4, Tokens: 3, EmptyCells: 3}},
		{"cells longer than the cap", tenX(t, "integer", "4 3 4", "1 1 5\n2 1 3\n3 1 1\n3 3 2\n"), []string{"--max-length", "2"}, embedResult{Cells: 3, GenesMatched: 3, GenesTotal: 4, Tokens: 5, EmptyCells: 1, TruncatedCells: 1}},
		{"not a number in an unknown gene", tenX(t, "real", "4 3 2", "1 1 5\n4 1 nan\n"), nil, embedResult{Cells: 3, GenesMatched: 3, GenesTotal: 4, Tokens: 4, EmptyCells: 2}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, command := range []string{"embed", "annotate"} {
				out := filepath.Join(t.TempDir(), "out.h5ad")
				got := succeed[annotateResult](t, append([]string{command, "--data", c.data, "--out", out}, c.flags...)...)
				want := c.want
				want.Out, want.Precision, want.Device = out, "fp32", got.Device
				want.Seconds, want.CellsPerS, want.LoadSeconds, want.PeakRSSMB = got.Seconds, got.CellsPerS, got.LoadSeconds, got.PeakRSSMB
				require.Equal(t, want, got.embedResult)

				f, err := anndata.Open(out)
				require.NoError(t, err)
				defer f.Close()
				require.Equal(t, want.Cells, f.NObs())
				array, err := f.ObsmArray(t.Context(), engine.EmbeddingKey)
				require.NoError(t, err)
				require.False(t, slices.ContainsFunc(array.Data, func(v float32) bool { return v != v }), "NaN in the embeddings")
				if command == "annotate" {
					require.Equal(t, want.EmptyCells, got.Counts[engine.Unassigned])
				}
			}
		})
	}
}

// Files with errors: one line that names the file and what is wrong in it, exit
// code 1, and nothing at the output's place.
func TestFilesWithErrors(t *testing.T) {
	short := tenX(t, "integer", "4 3 2", "1 1 5\n")
	mixed := tenX(t, "integer", "4 3 1", "1 1 5\n")
	require.NoError(t, os.WriteFile(filepath.Join(mixed, "barcodes.tsv"), []byte("A-1\n"), 0o600))
	lone := t.TempDir()
	truncated := filepath.Join(t.TempDir(), "truncated.h5ad")
	whole, err := os.ReadFile(sampleFile(t, "cells/pbmc68k_test.h5ad"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(truncated, whole[:len(whole)-1], 0o600))
	cases := []struct {
		name, data string
		flags      []string
		want       string
	}{
		{"NaN", tenX(t, "real", "4 3 2", "1 1 5\n2 2 nan\n"), nil, `cell 1: gene "LYZ" (column 1) has the value NaN`},
		{"negative", tenX(t, "integer", "4 3 1", "2 2 -3\n"), nil, "has the value -3; expression is 0 or more"},
		{"infinite", tenX(t, "real", "4 3 1", "2 2 inf\n"), nil, "has the value +Inf"},
		{"no X", sampleFile(t, "h5ad/no_X.h5ad"), []string{"--min-gene-share", "0"}, "X is missing"},
		{"foreign genes", sampleFile(t, "h5ad/csr_gzip.h5ad"), nil, "only 0 of 80 genes"},
		{"bad index", sampleFile(t, "h5ad/bad_indices.h5ad"), []string{"--min-gene-share", "0"}, "X/indices[3] = 9999, but there are 80 genes"},
		{"truncated", truncated, nil, "truncated: the file has 193198 bytes"},
		{"an empty folder", lone, nil, "without matrix.mtx"},
		{"a short matrix.mtx", short, nil, "the file ends after 1 entries, want 2"},
		{"too few barcodes", mixed, nil, "barcodes.tsv 1"},
		{"no such layer", sampleFile(t, "cells/pbmc68k_test.h5ad"), []string{"--layer", "none"}, `there is no layer "none"`},
		{"no such column", sampleFile(t, "cells/pbmc68k_test.h5ad"), []string{"--gene-column", "none"}, `var has no column "none"`},
		{"too few genes", sampleFile(t, "cells/pbmc68k_test.h5ad"), []string{"--min-gene-share", "0.99"}, "only 705 of 765 genes (92.2 %)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, command := range []string{"embed", "annotate"} {
				out := filepath.Join(t.TempDir(), "out.h5ad")
				code, stdout, stderr := try(t, append([]string{command, "--data", c.data, "--out", out}, c.flags...)...)
				require.Equal(t, 1, code)
				require.Empty(t, stdout)
				require.Regexp(t, `^InvalidDataError: .*\n$`, stderr)
				require.Contains(t, stderr, c.want)
				require.Contains(t, stderr, filepath.Base(c.data))
				entries, err := os.ReadDir(filepath.Dir(out))
				require.NoError(t, err)
				require.Empty(t, entries)
			}
		})
	}
}

// Every rule for what a cell's tokens are gives a result; the seeded ones the
// same for the same seed.
func TestTokenFlags(t *testing.T) {
	data := sampleFile(t, "cells/pbmc68k_test.h5ad")
	vectors := func(flags ...string) []float32 {
		out := filepath.Join(t.TempDir(), "out.h5ad")
		res := succeed[embedResult](t, append([]string{"embed", "--data", data, "--out", out, "--max-length", "60"}, flags...)...)
		require.EqualValues(t, 200*60, res.Tokens)
		require.Equal(t, 200, res.TruncatedCells)
		f, err := anndata.Open(out)
		require.NoError(t, err)
		defer f.Close()
		array, err := f.ObsmArray(t.Context(), engine.EmbeddingKey)
		require.NoError(t, err)
		return array.Data
	}
	seen := map[string][]float32{"default": vectors()}
	require.Equal(t, seen["default"], vectors("--cap", "even", "--ties", "mid", "--threads", "1"))
	for _, flags := range [][]string{
		{"--cap", "first"}, {"--cap", "highest"}, {"--cap", "seeded"}, {"--cap", "seeded", "--seed", "7"},
		{"--ties", "left"}, {"--ties", "seeded"},
	} {
		name := filepath.Join(flags...)
		got := vectors(flags...)
		require.Equal(t, got, vectors(flags...), name)
		for other, v := range seen {
			require.NotEqual(t, v, got, "%s and %s", name, other)
		}
		seen[name] = got
	}
}

func TestDescribeData(t *testing.T) {
	path := sampleFile(t, "h5ad/csr_gzip.h5ad")
	got := succeed[map[string]any](t, "data", "describe", path)
	require.EqualValues(t, 120, got["n_obs"])
	require.EqualValues(t, 80, got["n_vars"])
	require.Equal(t, []any{"CELL00000-1", "CELL00001-1", "CELL00002-1"}, got["obs_names"])
	require.Equal(t, map[string]any{"encoding": "csr", "dtype": "float32", "nnz": 960., "sum": 14536.}, got["x"])
	require.Equal(t, map[string]any{"kind": "categorical", "categories": []any{"b0", "b1"}}, got["obs"].(map[string]any)["batch"])

	// What is not there is null or empty, never away.
	got = succeed[map[string]any](t, "data", "describe", sampleFile(t, "h5ad/no_X.h5ad"))
	require.Contains(t, got, "x")
	require.Nil(t, got["x"])
	require.Nil(t, got["raw"])
	got = succeed[map[string]any](t, "data", "describe", tenX(t, "real", "4 3 2", "1 1 nan\n2 2 1\n"))
	require.Equal(t, map[string]any{"encoding": "mtx", "dtype": "float64", "nnz": 2., "sum": nil}, got["x"])
	require.Equal(t, map[string]any{}, got["obsm"])
	require.Equal(t, []any{}, got["layers"])
	require.Equal(t, []any{}, got["uns"])
	got = succeed[map[string]any](t, "data", "describe", sampleFile(t, "h5ad/raw_obsm.h5ad"))
	require.NotNil(t, got["raw"].(map[string]any)["n_vars"])
	require.NotEmpty(t, got["obsm"])
	require.Equal(t, map[string]any{}, got["obsm_other"])

	// Receptor chains as scirpy keeps them are named, not read.
	awkward := withAwkward(t, path)
	require.Equal(t, map[string]any{"airr": "awkward-array"}, succeed[map[string]any](t, "data", "describe", awkward)["obsm_other"])
	_, text, _ := try(t, "data", "describe", awkward)
	require.Contains(t, text, "obsm    airr awkward-array\n")

	code, stdout, _ := try(t, "data", "describe", sampleFile(t, "h5ad/empty_0x10.h5ad"))
	require.Zero(t, code)
	require.Contains(t, stdout, "0 cells × 10 genes")
	code, _, stderr := try(t, "data", "describe", sampleFile(t, "h5ad/bad_trunc_half.h5ad"))
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "InvalidDataError: ")
}

// withAwkward writes a copy of a file with an awkward array as all of its obsm.
func withAwkward(t *testing.T, path string) string {
	t.Helper()
	src, err := hdf5.Open(path)
	require.NoError(t, err)
	defer src.Close()
	root, err := src.Root()
	require.NoError(t, err)
	out, err := os.Create(filepath.Join(t.TempDir(), "awkward.h5ad"))
	require.NoError(t, err)
	w, err := hdf5.Extend(t.Context(), out, src)
	require.NoError(t, err)
	encoded := func(name string) []hdf5.Attr {
		return []hdf5.Attr{{Name: "encoding-type", Value: name}, {Name: "encoding-version", Value: "0.1.0"}}
	}
	airr, err := w.Group(nil, encoded("awkward-array"))
	require.NoError(t, err)
	obsm, err := w.Group([]hdf5.Entry{hdf5.NewEntry("airr", airr)}, encoded("dict"))
	require.NoError(t, err)
	ref, err := w.Edit(root, hdf5.Edit{Entries: []hdf5.Entry{hdf5.NewEntry("obsm", obsm)}})
	require.NoError(t, err)
	require.NoError(t, errors.Join(w.Finish(ref), out.Close()))
	return out.Name()
}

func TestModelCommands(t *testing.T) {
	type description struct {
		Fingerprint string
		Batches     []string
		Labels      []string
		Files       struct{ Weights string }
	}
	dir := sampleFile(t, "models/tiny_scgpt_dsbn")
	was := succeed[description](t, "model", "describe", dir)
	require.Equal(t, []string{"pbmc68k_reduced", "celltypist_sample"}, was.Batches)

	out := filepath.Join(t.TempDir(), "converted")
	is := succeed[description](t, "model", "convert", dir, out)
	require.Equal(t, "model.safetensors", is.Files.Weights)
	require.Equal(t, was.Fingerprint, is.Fingerprint)
	require.Equal(t, was.Batches, is.Batches)

	code, _, stderr := try(t, "model", "convert", dir, out)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "InvalidDataError: "+out+" is there already")
	code, stdout, _ := try(t, "model", "describe", out)
	require.Zero(t, code)
	require.Contains(t, stdout, "2 domains of batch norm, 2 batch labels")

	// The converted model gives the same bytes.
	data := sampleFile(t, "cells/pbmc68k_test.h5ad")
	files := [2]string{}
	for i, model := range []string{dir, out} {
		files[i] = filepath.Join(t.TempDir(), "vectors.h5ad")
		succeed[embedResult](t, "embed", "--model", model, "--data", data, "--out", files[i])
	}
	require.Equal(t, vectorsOf(t, files[0]), vectorsOf(t, files[1]))

	broken := t.TempDir()
	for _, name := range []string{"args.json", "vocab.json", "best_model.pt"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(broken, name), content[:len(content)/2], 0o600))
		code, _, stderr := try(t, "model", "describe", broken)
		require.Equal(t, 1, code)
		require.Regexp(t, `^(InvalidDataError|FileNotFoundError): .*\n$`, stderr)
		require.NoError(t, os.WriteFile(filepath.Join(broken, name), content, 0o600))
	}
	code, _, _ = try(t, "model", "describe", broken)
	require.Zero(t, code)
}

func vectorsOf(t *testing.T, path string) []float32 {
	t.Helper()
	f, err := anndata.Open(path)
	require.NoError(t, err)
	defer f.Close()
	array, err := f.ObsmArray(t.Context(), engine.EmbeddingKey)
	require.NoError(t, err)
	return array.Data
}

func TestGenes(t *testing.T) {
	out := filepath.Join(t.TempDir(), "genes.h5ad")
	type response struct {
		Genes, Missing []string
		Dim            int
		Vectors        [][]float32
		Similarity     [][]float32
		Out            string
	}
	got := succeed[response](t, "genes", "--genes", "CD3D, LYZ,CD3D,,nope", "--similarity", "--out", out)
	require.Equal(t, []string{"CD3D", "LYZ"}, got.Genes)
	require.Equal(t, []string{"nope"}, got.Missing)
	require.Len(t, got.Vectors, 2)
	require.Len(t, got.Vectors[0], got.Dim)
	require.InDelta(t, 1, got.Similarity[1][1], 1e-6)
	require.Equal(t, out, got.Out)

	f, err := anndata.Open(out)
	require.NoError(t, err)
	defer f.Close()
	names, err := f.Obs().Index()
	require.NoError(t, err)
	require.Equal(t, got.Genes, names)
	require.Equal(t, slices.Concat(got.Vectors...), vectorsOf(t, out))

	require.Empty(t, succeed[response](t, "genes").Similarity)
	code, stdout, _ := try(t, "genes", "--genes", "CD3D,nope")
	require.Zero(t, code)
	require.Contains(t, stdout, "not in the vocabulary: nope")
	code, _, stderr := try(t, "genes", "--genes", "nope")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "InvalidDataError: ")
}
