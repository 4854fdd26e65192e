package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/evaluate"
)

const train = testdata + "/cells/pbmc68k_train.h5ad"

// scikit-learn's PCA(50) and KNeighborsClassifier(10) of the same cells reach
// 0.815 and 0.629; which of two types with as many votes wins is another matter
// there.
func TestBaseline(t *testing.T) {
	t.Parallel()
	b, err := engine.NewBaseline(t.Context(), train, pbmc, engine.BaselineOptions{})
	require.NoError(t, err)
	require.Len(t, b.Labels.Types, 200)
	require.Equal(t, 500, b.ReferenceCells)
	require.Equal(t, 765, b.Genes)
	require.Equal(t, 50, b.Components)
	require.Equal(t, 10, b.Neighbors)
	eng := load(t, "tiny_scgpt", compute.Options{})
	truth, err := open(t, eng, pbmc, engine.Options{Task: engine.Annotate}).Truth("", nil)
	require.NoError(t, err)
	s, err := evaluate.Classification(truth.Types, b.Labels.Types)
	require.NoError(t, err)
	require.InDelta(t, 0.815, s.Accuracy, 0.01)
	require.InDelta(t, 0.629, s.MacroF1, 0.02)
	t.Logf("accuracy %.3f, macro F1 %.3f", s.Accuracy, s.MacroF1)
	for _, c := range b.Labels.Confidence {
		require.Greater(t, c, float32(0))
		require.LessOrEqual(t, c, float32(1))
	}
}

// The README says what the baseline reaches with other settings.
func TestBaselineSettings(t *testing.T) {
	t.Parallel()
	f, err := anndata.Open(pbmc)
	require.NoError(t, err)
	defer f.Close()
	truth, err := f.Obs().Column("celltype")
	require.NoError(t, err)
	worst, best := 1.0, 0.0
	for _, components := range []int{20, 30, 50} {
		for _, k := range []int{5, 10, 15} {
			b, err := engine.NewBaseline(t.Context(), train, pbmc, engine.BaselineOptions{Components: components, Neighbors: k})
			require.NoError(t, err)
			s, err := evaluate.Classification(truth.Strings(), b.Labels.Types)
			require.NoError(t, err)
			worst, best = min(worst, s.Accuracy), max(best, s.Accuracy)
		}
	}
	require.InDelta(t, 0.780, worst, 1e-9)
	require.InDelta(t, 0.830, best, 1e-9)
}

func TestBaselineOfTheReferenceItself(t *testing.T) {
	t.Parallel()
	b, err := engine.NewBaseline(t.Context(), train, train, engine.BaselineOptions{Neighbors: 1, Genes: 300, Components: 1000})
	require.NoError(t, err)
	require.Equal(t, 300, b.Genes)
	require.Equal(t, 300, b.Components)
	c := open(t, load(t, "tiny_scgpt", compute.Options{}), train, engine.Options{Task: engine.Annotate})
	truth, err := c.Truth("", nil)
	require.NoError(t, err)
	require.Equal(t, truth.Types, b.Labels.Types)
}

// Counts meet log-normalised values on the genes that both have.
func TestBaselineOfCounts(t *testing.T) {
	t.Parallel()
	b, err := engine.NewBaseline(t.Context(), train, testdata+"/cells/celltypist_sample.h5ad", engine.BaselineOptions{})
	require.NoError(t, err)
	require.Len(t, b.Labels.Types, 559)
	require.Less(t, b.Genes, 765)
	require.Greater(t, b.Genes, 100)
	summary := b.Labels.Summary()
	require.Greater(t, len(summary.Types), 2)
}

func TestBaselineBadInput(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reference, cells string
		options          engine.BaselineOptions
		want             string
	}{
		"no reference":  {"none.h5ad", pbmc, engine.BaselineOptions{}, "none.h5ad"},
		"no cells":      {train, "none.h5ad", engine.BaselineOptions{}, "none.h5ad"},
		"no types":      {testdata + "/cells/celltypist_sample.h5ad", pbmc, engine.BaselineOptions{}, `obs has none of the columns "celltype", "cell_type"`},
		"no column":     {train, pbmc, engine.BaselineOptions{LabelColumn: "kind"}, `obs has no column "kind"`},
		"no gene alike": {train, filepath.Join(testdata, "h5ad/csr_none.h5ad"), engine.BaselineOptions{}, "no gene has the name of one in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := engine.NewBaseline(t.Context(), tc.reference, tc.cells, tc.options)
			require.ErrorContains(t, err, tc.want)
			require.EqualError(t, engine.CheckBaseline(tc.reference, tc.cells, tc.options), err.Error())
		})
	}
	require.NoError(t, engine.CheckBaseline(train, pbmc, engine.BaselineOptions{Layer: "of another file", GeneColumn: "of another file"}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := engine.NewBaseline(ctx, train, pbmc, engine.BaselineOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

// genesOf returns the names of a file's genes.
func genesOf(t *testing.T, path string) []string {
	t.Helper()
	f, err := anndata.Open(path)
	require.NoError(t, err)
	defer f.Close()
	names, err := f.Var().Index()
	require.NoError(t, err)
	return names
}

// withVar writes a copy of a file with other names for its genes.
func withVar(t *testing.T, path string, index []string, columns map[string][]string) string {
	t.Helper()
	src, err := hdf5.Open(path)
	require.NoError(t, err)
	defer src.Close()
	root, err := src.Root()
	require.NoError(t, err)
	out, err := os.Create(filepath.Join(t.TempDir(), "with_var.h5ad"))
	require.NoError(t, err)
	w, err := hdf5.Extend(t.Context(), out, src)
	require.NoError(t, err)
	encoded := func(name string) []hdf5.Attr {
		return []hdf5.Attr{{Name: "encoding-type", Value: name}, {Name: "encoding-version", Value: "0.2.0"}}
	}
	var entries []hdf5.Entry
	add := func(name string, values []string) {
		ref, err := w.Strings(hdf5.DatasetSpec{Shape: []int{len(values)}, Attrs: encoded("string-array")}, values)
		require.NoError(t, err)
		entries = append(entries, hdf5.NewEntry(name, ref))
	}
	add("_index", index)
	order := slices.Sorted(maps.Keys(columns))
	for _, name := range order {
		add(name, columns[name])
	}
	frame, err := w.Group(entries, append(encoded("dataframe"), hdf5.Attr{Name: "_index", Value: "_index"}, hdf5.Attr{Name: "column-order", Value: order}))
	require.NoError(t, err)
	ref, err := w.Edit(root, hdf5.Edit{Entries: []hdf5.Entry{hdf5.NewEntry("var", frame)}})
	require.NoError(t, err)
	require.NoError(t, errors.Join(w.Finish(ref), out.Close()))
	return out.Name()
}

// Files name the same genes in different ways.
func TestBaselineMatchesGenesAsTheModelDoes(t *testing.T) {
	t.Parallel()
	symbols := genesOf(t, pbmc)
	require.Equal(t, symbols, genesOf(t, train), "else the cases below are others")
	ensembl := func(version string) []string {
		ids := make([]string, len(symbols))
		for i := range ids {
			ids[i] = fmt.Sprintf("ENSG%011d%s", i, version)
		}
		return ids
	}
	// Some genes without a symbol, as 10x Genomics names them.
	mixed := slices.Clone(symbols)
	copy(mixed, ensembl("")[:100])
	want, err := engine.NewBaseline(t.Context(), train, pbmc, engine.BaselineOptions{Components: 10})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		ref, query       []string
		refVar, queryVar map[string][]string
		column           string
		genes            int
	}{
		"symbols, and Ensembl ids with symbols":   {symbols, ensembl(""), nil, map[string][]string{"feature_name": symbols}, "", 765},
		"Ensembl ids with symbols, and symbols":   {ensembl(""), symbols, map[string][]string{"gene_symbols": symbols}, nil, "", 765},
		"symbols in columns of different names":   {ensembl(""), ensembl("x"), map[string][]string{"gene_symbols": symbols}, map[string][]string{"feature_name": symbols}, "", 765},
		"Ensembl ids of different versions":       {ensembl(".3"), ensembl(".12"), nil, nil, "", 765},
		"a column that is named":                  {symbols, ensembl(""), nil, map[string][]string{"mine": symbols}, "mine", 765},
		"few alike by the index":                  {mixed, ensembl(""), nil, map[string][]string{"feature_name": symbols}, "", 665},
		"most alike by the index, all by symbols": {ensembl(""), append(ensembl("")[:700], symbols[700:]...), map[string][]string{"feature_name": symbols}, map[string][]string{"feature_name": symbols}, "", 700},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := engine.BaselineOptions{GeneColumn: c.column, Components: 10}
			ref, query := withVar(t, train, c.ref, c.refVar), withVar(t, pbmc, c.query, c.queryVar)
			require.NoError(t, engine.CheckBaseline(ref, query, o))
			got, err := engine.NewBaseline(t.Context(), ref, query, o)
			require.NoError(t, err)
			require.Equal(t, c.genes, got.Genes)
			if c.genes == want.Genes {
				require.Equal(t, want.Labels, got.Labels)
			}
		})
	}
	// No symbol is no gene.
	none := make([]string, len(symbols))
	err = engine.CheckBaseline(withVar(t, train, symbols, nil), withVar(t, pbmc, ensembl(""), map[string][]string{"feature_name": none}), engine.BaselineOptions{})
	require.ErrorContains(t, err, "no gene has the name of one in")
	// Nor is a reference without values one.
	err = engine.CheckBaseline(filepath.Join(testdata, "h5ad/no_X.h5ad"), withVar(t, pbmc, ensembl(""), nil), engine.BaselineOptions{})
	require.ErrorIs(t, err, anndata.ErrNoX)
}

// The types of the reference are in the column of the cells' own, if it is there.
func TestBaselineTypes(t *testing.T) {
	t.Parallel()
	f, err := anndata.Open(train)
	require.NoError(t, err)
	defer f.Close()
	kinds := slices.Repeat([]string{"some kind"}, f.NObs())
	both := filepath.Join(t.TempDir(), "both.h5ad")
	require.NoError(t, anndata.Copy(t.Context(), f, both, anndata.Additions{Obs: []anndata.NewColumn{{Name: "kind", Values: kinds}}}))
	for name, c := range map[string]struct {
		options engine.BaselineOptions
		types   int
	}{
		"the usual column":         {engine.BaselineOptions{}, 8},
		"that of the cells":        {engine.BaselineOptions{TruthColumn: "kind"}, 1},
		"one that it lacks":        {engine.BaselineOptions{TruthColumn: "cell_type"}, 8},
		"the named one before all": {engine.BaselineOptions{TruthColumn: "kind", LabelColumn: "celltype"}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := engine.NewBaseline(t.Context(), both, pbmc, c.options)
			require.NoError(t, err)
			require.Len(t, b.Labels.Summary().Types, c.types)
		})
	}
}
