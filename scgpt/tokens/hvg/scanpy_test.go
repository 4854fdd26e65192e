package hvg_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

// A golden is scanpy's choice, see testdata/make_goldens.py.
type golden struct {
	Input   string
	Flavor  hvg.Flavor
	Batch   string
	N       int
	Columns []int

	// Figures of every Every-th gene.
	Every                   int
	Mean, Dispersion, Score []*float64
}

// cells are a matrix in memory, and what its batches may be.
type cells struct {
	genes    []string
	block    hvg.Block
	file     []string
	celltype []string
	third    []string
}

func read(t *testing.T, name string, logarithm bool) cells {
	t.Helper()
	f, err := anndata.Open(filepath.Join("../../../testdata/cells", name+".h5ad"))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var c cells
	c.genes, err = f.Var().Index()
	require.NoError(t, err)
	if f.Obs().Has("celltype") {
		column, err := f.Obs().Column("celltype")
		require.NoError(t, err)
		c.celltype = column.Strings()
	}
	x, err := f.X()
	require.NoError(t, err)
	b, err := x.Rows(t.Context(), 0, x.NRows())
	require.NoError(t, err)
	c.block = hvg.Block{Indptr: b.Indptr, Indices: b.Indices, Values: b.Values}
	for i := range b.NRows() {
		if _, values := b.Row(i); logarithm {
			tokens.NormalizeTotal(values, tokens.DefaultTargetSum)
			tokens.Log1p(values)
		}
		c.file = append(c.file, name)
		c.third = append(c.third, fmt.Sprintf("part %d", i%3))
	}
	return c
}

// join puts the cells of several files together, of the genes that all have.
func join(parts ...cells) cells {
	out := cells{block: hvg.Block{Indptr: []int64{0}}}
	for _, g := range parts[0].genes {
		if !slices.ContainsFunc(parts, func(p cells) bool { return !slices.Contains(p.genes, g) }) {
			out.genes = append(out.genes, g)
		}
	}
	for _, p := range parts {
		place := make([]int, len(p.genes))
		for i, g := range p.genes {
			place[i] = slices.Index(out.genes, g)
		}
		for i, hi := range p.block.Indptr[1:] {
			for k := p.block.Indptr[i]; k < hi; k++ {
				if at := place[p.block.Indices[k]]; at >= 0 {
					out.block.Indices = append(out.block.Indices, int32(at))
					out.block.Values = append(out.block.Values, p.block.Values[k])
				}
			}
			out.block.Indptr = append(out.block.Indptr, int64(len(out.block.Values)))
		}
		out.file = append(out.file, p.file...)
		out.celltype = append(out.celltype, p.celltype...)
	}
	return out
}

func (c cells) batches(name string) []string {
	return map[string][]string{"file": c.file, "celltype": c.celltype, "third": c.third}[name]
}

// source yields the cells in blocks of a height.
func (c cells) source(height int) hvg.Source {
	return func(yield func(hvg.Block) error) error {
		n := len(c.block.Indptr) - 1
		for from := 0; from < n; from += height {
			to := min(n, from+height)
			err := yield(hvg.Block{Indptr: c.block.Indptr[from : to+1], Indices: c.block.Indices, Values: c.block.Values})
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func TestSelectAsScanpy(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/goldens.json")
	require.NoError(t, err)
	var goldens []golden
	require.NoError(t, json.Unmarshal(b, &goldens))
	require.NotEmpty(t, goldens)

	train, test := read(t, "pbmc68k_train", false), read(t, "pbmc68k_test", false)
	counts, logs := read(t, "celltypist_sample", false), read(t, "celltypist_sample", true)
	inputs := map[string]cells{
		"pbmc68k_train":  train,
		"pbmc68k_test":   test,
		"celltypist":     counts,
		"celltypist_log": logs,
		"pbmc68k":        join(train, test),
		"all_log":        join(train, test, logs),
		"all":            join(train, test, counts),
	}
	for _, want := range goldens {
		c := inputs[want.Input]
		got, err := hvg.Select(t.Context(), len(c.genes), c.source(100), hvg.Options{
			Flavor:         want.Flavor,
			N:              want.N,
			Batches:        c.batches(want.Batch),
			AllowFractions: want.Input != "celltypist",
		})
		require.NoError(t, err)
		require.Empty(t, got.Warnings)
		require.Len(t, got.Columns, want.N)
		require.True(t, slices.IsSorted(got.Columns))
		require.Len(t, got.Genes, len(c.genes))
		name := strings.Join([]string{want.Input, string(want.Flavor), want.Batch}, " ")

		common := 0
		for _, column := range want.Columns {
			if slices.Contains(got.Columns, column) {
				common++
			}
		}
		t.Logf("%-45s %4d genes, %d of %d equal", name, want.N, common, len(want.Columns))
		require.GreaterOrEqual(t, common, (99*want.N+99)/100, name)

		tolerance := 1e-8
		if strings.HasSuffix(want.Input, "_log") {
			tolerance = 1e-5 // normalised in single precision, there and here
		}
		for k := range want.Mean {
			g := got.Genes[k*want.Every]
			closeTo(t, tolerance, want.Mean[k], g.Mean, name, "mean", k*want.Every)
			closeTo(t, tolerance, want.Dispersion[k], g.Dispersion, name, "dispersion", k*want.Every)
			closeTo(t, tolerance, want.Score[k], g.Score, name, "score", k*want.Every)
		}
	}
}

// closeTo compares a figure; null in the golden is NaN.
func closeTo(t *testing.T, tolerance float64, want *float64, got float64, more ...any) {
	t.Helper()
	if want == nil {
		require.True(t, math.IsNaN(got), "%v", more)
		return
	}
	require.InDelta(t, *want, got, tolerance*max(1, math.Abs(*want)), "%v", more)
}
