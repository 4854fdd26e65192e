package engine_test

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// unlabelled writes a copy of the sample cells as annotate would leave it where no
// cell gets a label: those in empty share one embedding, the others lie in two
// clouds by turns.
func unlabelled(t *testing.T, empty []int) string {
	t.Helper()
	f, err := anndata.Open(pbmc)
	require.NoError(t, err)
	defer f.Close()
	n := f.NObs()
	labels, x := make([]string, n), make([]float32, 0, 4*n)
	for i := range n {
		labels[i] = engine.Unassigned
		row := []float32{1, 0, float32(i) / 1000, 0}
		if i%2 == 1 {
			row = []float32{0, 1, 0, float32(i) / 1000}
		}
		x = append(x, row...)
	}
	for _, i := range empty {
		copy(x[4*i:], []float32{-1, -1, 0, 0})
	}
	troupe := map[string]any{"agent": "scgpt"}
	if len(empty) > 0 {
		troupe[engine.EmptyCellsKey] = empty
	}
	path := filepath.Join(t.TempDir(), "annotated.h5ad")
	require.NoError(t, anndata.Copy(t.Context(), f, path, anndata.Additions{
		Obs:  []anndata.NewColumn{{Name: engine.LabelsKey, Values: labels}},
		Obsm: []anndata.NewArray{{Name: engine.EmbeddingKey, Cols: 4, Data: x}},
		Uns:  map[string]any{engine.ProvenanceKey: troupe},
	}))
	return path
}

// A cell in which the model saw no gene is like the others of its kind only in
// that: they are no cluster.
func TestEmptyCellsAreNoCluster(t *testing.T) {
	t.Parallel()
	var many []int
	for i := 20; i < 80; i++ {
		many = append(many, i)
	}
	var all []int
	for i := range 200 {
		all = append(all, i)
	}
	for name, c := range map[string]struct {
		empty    []int
		clusters bool
		warnings []string
	}{
		"none": {nil, true, nil},
		"many": {many, true, nil},
		"all": {all, false, []string{
			"no cluster of at least 10 cells among 200 cells without a label, 200 of them without a gene that the model knows",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := engine.ClusterUnassigned(t.Context(), unlabelled(t, c.empty), engine.ClusterOptions{})
			require.NoError(t, err)
			require.Equal(t, 200, got.Unassigned)
			require.Equal(t, c.clusters, len(got.Cells) > 0)
			require.Equal(t, c.warnings, got.Warnings)
			for _, i := range c.empty {
				require.Equal(t, -1, got.Of[i], "cell %d", i)
			}
			if c.clusters {
				require.NotEqual(t, got.Of[0], got.Of[1], "of different clouds")
				require.GreaterOrEqual(t, got.Of[0], 0)
			}
			total := 0
			for _, n := range got.Cells {
				total += n
			}
			require.LessOrEqual(t, total, 200-len(c.empty))
		})
	}
}

// Why there is no cluster is told, unless there is nothing to cluster.
func TestNoClusterIsTold(t *testing.T) {
	t.Parallel()
	path := unlabelled(t, nil)
	got, err := engine.ClusterUnassigned(t.Context(), path, engine.ClusterOptions{MinCells: 201})
	require.NoError(t, err)
	require.Equal(t, []string{"no cluster of at least 201 cells among 200 cells without a label"}, got.Warnings)
	// The two clouds are of 100 cells each.
	got, err = engine.ClusterUnassigned(t.Context(), path, engine.ClusterOptions{MinCells: 101})
	require.NoError(t, err)
	require.Empty(t, got.Cells)
	require.Empty(t, got.Genes)
	require.Equal(t, slices.Repeat([]int{-1}, 200), got.Of)
	require.Equal(t, []string{"no cluster of at least 101 cells among 200 cells without a label"}, got.Warnings)

	f, err := anndata.Open(path)
	require.NoError(t, err)
	labelled := filepath.Join(t.TempDir(), "labelled.h5ad")
	all := anndata.Additions{Obs: []anndata.NewColumn{{Name: engine.LabelsKey, Values: slices.Repeat([]string{"T cell"}, 200)}}}
	require.NoError(t, errors.Join(anndata.Copy(t.Context(), f, labelled, all), f.Close()))
	got, err = engine.ClusterUnassigned(t.Context(), labelled, engine.ClusterOptions{})
	require.NoError(t, err)
	require.Empty(t, got.Warnings)
}

// In scanpy, a cell without a named cluster has no name and no confidence: a
// missing value each, and no category "".
func TestNamesOfClustersAreMissing(t *testing.T) {
	t.Parallel()
	path := unlabelled(t, nil)
	of := make([]int, 200)
	for i := range of {
		of[i] = i%5 - 1 // -1, then the clusters 0 to 3
	}
	clusters := []engine.ClusterName{{"u0", "T cell", 0.5}, {"u1", "", 0}, {"u2", "B cell", 0.25}, {"u3", "T cell", 0.75}}
	require.NoError(t, engine.WriteClusterNames(t.Context(), path, of, clusters))
	f, err := anndata.Open(path)
	require.NoError(t, err)
	defer f.Close()
	ids, err := f.Obs().Column(engine.ClusterKey)
	require.NoError(t, err)
	require.Equal(t, []string{"", "u0", "u1", "u2", "u3"}, ids.Strings()[:5])
	names, err := f.Obs().Column(engine.ClusterNameKey)
	require.NoError(t, err)
	require.Equal(t, []string{"B cell", "T cell"}, names.Categories)
	require.Equal(t, []string{"", "T cell", "", "B cell", "T cell"}, names.Strings()[:5])
	confidence, err := f.Obs().Column(engine.ClusterConfidenceKey)
	require.NoError(t, err)
	got := confidence.Floats()[:5]
	for _, i := range []int{0, 2} {
		require.True(t, math.IsNaN(got[i]), "row %d: %v", i, got[i])
	}
	require.Equal(t, []float64{0.5, 0.25, 0.75}, []float64{got[1], got[3], got[4]})
}

// foogpt may know no name for any cluster.
func TestNoClusterHasAName(t *testing.T) {
	t.Parallel()
	path := unlabelled(t, nil)
	require.NoError(t, engine.WriteClusterNames(t.Context(), path, make([]int, 200), []engine.ClusterName{{ID: "u0"}}))
	f, err := anndata.Open(path)
	require.NoError(t, err)
	defer f.Close()
	names, err := f.Obs().Column(engine.ClusterNameKey)
	require.NoError(t, err)
	require.Empty(t, names.Categories)
	require.Equal(t, make([]string, 200), names.Strings())
}
