package engine_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
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
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := engine.NewBaseline(ctx, train, pbmc, engine.BaselineOptions{})
	require.ErrorIs(t, err, context.Canceled)
}
