package evaluate_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/evaluate"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

func matrix(cols int, values ...float32) neighbors.Matrix {
	return neighbors.Matrix{Data: values, Rows: len(values) / cols, Cols: cols}
}

func graphOf(tb testing.TB, x neighbors.Matrix, k int) *neighbors.Graph {
	tb.Helper()
	found, err := neighbors.Search(tb.Context(), x, x, k, neighbors.Options{ExcludeSelf: true})
	require.NoError(tb, err)
	g, err := neighbors.NewGraph(found)
	require.NoError(tb, err)
	return g
}

func TestEmbeddingsEqualScikitLearnAndScib(t *testing.T) {
	t.Parallel()
	for _, tc := range readCases[struct {
		Name           string
		Cols, K        int
		X              []float32
		Types, Batches []string
		Silhouettes    []float64
		Silhouette     float64
		LabelASW       float64 `json:"label_asw"`
		BatchASW       float64 `json:"batch_asw"`
		Connectivity   float64
	}](t, "embeddings.json") {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			x := matrix(tc.Cols, tc.X...)
			g := graphOf(t, x, tc.K)

			s, err := evaluate.Silhouette(t.Context(), x, tc.Types, evaluate.Options{})
			require.NoError(t, err)
			require.InDeltaSlice(t, tc.Silhouettes, s, 1e-7)
			require.InDelta(t, tc.Silhouette, evaluate.Mean(s), 1e-7)
			label, err := evaluate.LabelASW(t.Context(), x, tc.Types, evaluate.Options{})
			require.NoError(t, err)
			require.InDelta(t, tc.LabelASW, label, 1e-7)
			batch, err := evaluate.BatchASW(t.Context(), x, tc.Types, tc.Batches, evaluate.Options{})
			require.NoError(t, err)
			require.InDelta(t, tc.BatchASW, batch, 1e-7)
			connectivity, err := evaluate.GraphConnectivity(g, tc.Types)
			require.NoError(t, err)
			require.InDelta(t, tc.Connectivity, connectivity, tolerance)

			both, err := evaluate.AvgBATCH(t.Context(), x, g, tc.Types, tc.Batches, evaluate.Options{})
			require.NoError(t, err)
			require.Equal(t, evaluate.BATCH{Connectivity: connectivity, ASW: batch, Avg: (connectivity + batch) / 2}, both)
		})
	}
}

// blobs returns cells around a centre for each of the types, in turn.
func blobs(rows, cols, types int, spread float64) (neighbors.Matrix, []string) {
	r := rand.New(rand.NewPCG(5, 1))
	centres := make([]float64, types*cols)
	for i := range centres {
		centres[i] = spread * r.NormFloat64()
	}
	x := neighbors.Matrix{Data: make([]float32, rows*cols), Rows: rows, Cols: cols}
	labels := make([]string, rows)
	for i := range rows {
		labels[i] = "type " + strconv.Itoa(i%types)
		for j := range cols {
			x.Data[i*cols+j] = float32(centres[i%types*cols+j] + r.NormFloat64())
		}
	}
	return x, labels
}

func TestSilhouetteDoesNotDependOnThreads(t *testing.T) {
	t.Parallel()
	x, labels := blobs(333, 11, 5, 1)
	want, err := evaluate.Silhouette(t.Context(), x, labels, evaluate.Options{Threads: 1})
	require.NoError(t, err)
	for _, threads := range []int{0, 2, 5, 100} {
		got, err := evaluate.Silhouette(t.Context(), x, labels, evaluate.Options{Threads: threads})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestSilhouetteOfEqualCells(t *testing.T) {
	t.Parallel()
	x := matrix(2, 0.3, 0.7, 0.3, 0.7, 0.3, 0.7, 0.3, 0.7)
	got, err := evaluate.Silhouette(t.Context(), x, []int{0, 0, 1, 1}, evaluate.Options{})
	require.NoError(t, err)
	require.Equal(t, []float64{0, 0, 0, 0}, got)
}

// TestAvgBIO has types that are apart, so that the clusters are the types at
// some resolution, and others that are one cloud.
func TestAvgBIO(t *testing.T) {
	t.Parallel()
	x, types := blobs(300, 6, 4, 8)
	g := graphOf(t, x, 10)
	got, err := evaluate.AvgBIO(t.Context(), x, g, types, evaluate.BIOOptions{})
	require.NoError(t, err)
	asw, err := evaluate.LabelASW(t.Context(), x, types, evaluate.Options{})
	require.NoError(t, err)
	require.InDelta(t, 1, got.NMI, tolerance)
	require.InDelta(t, 1, got.ARI, tolerance)
	require.InDelta(t, asw, got.ASW, tolerance)
	require.InDelta(t, (2+asw)/3, got.Avg, tolerance)
	require.Len(t, got.Clusters, 300)

	cloud, types := blobs(300, 6, 4, 0)
	mixed, err := evaluate.AvgBIO(t.Context(), cloud, graphOf(t, cloud, 10), types, evaluate.BIOOptions{})
	require.NoError(t, err)
	require.Less(t, mixed.NMI, 0.2)
	require.Less(t, mixed.Avg, 0.35)
}

// TestAvgBIOTakesTheBestResolution compares with the clusters of each one.
func TestAvgBIOTakesTheBestResolution(t *testing.T) {
	t.Parallel()
	x, types := blobs(400, 6, 5, 0.8)
	g := graphOf(t, x, 10)
	got, err := evaluate.AvgBIO(t.Context(), x, g, types, evaluate.BIOOptions{Seed: 3})
	require.NoError(t, err)
	best, at := -1.0, 0.0
	for i := 1; i <= 20; i++ {
		clusters, err := neighbors.Clusters(t.Context(), g, neighbors.ClusterOptions{Resolution: float64(i) / 10, Seed: 3})
		require.NoError(t, err)
		nmi, err := evaluate.NMI(types, clusters)
		require.NoError(t, err)
		if nmi > best {
			best, at = nmi, float64(i)/10
		}
	}
	require.Equal(t, best, got.NMI)
	require.Equal(t, at, got.Resolution)
	ari, err := evaluate.ARI(types, got.Clusters)
	require.NoError(t, err)
	require.Equal(t, ari, got.ARI)

	one, err := evaluate.AvgBIO(t.Context(), x, g, types, evaluate.BIOOptions{Resolutions: []float64{0.01}})
	require.NoError(t, err)
	require.Equal(t, 0.01, one.Resolution)
	require.Zero(t, one.NMI)
}

func TestEmbeddingsBadInput(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	four := matrix(1, 0, 1, 5, 6)
	types := []string{"B", "B", "T", "T"}
	batches := []string{"1", "2", "1", "2"}
	g := graphOf(t, four, 1)
	silhouette := func(x neighbors.Matrix, labels []string, options evaluate.Options) error {
		_, err := evaluate.Silhouette(ctx, x, labels, options)
		return err
	}
	bio := func(x neighbors.Matrix, g *neighbors.Graph, types []string, resolutions []float64) error {
		_, err := evaluate.AvgBIO(ctx, x, g, types, evaluate.BIOOptions{Resolutions: resolutions})
		return err
	}
	batch := func(g *neighbors.Graph, types, batches []string) error {
		_, err := evaluate.AvgBATCH(ctx, four, g, types, batches, evaluate.Options{})
		return err
	}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"no cells":            {silhouette(neighbors.Matrix{Cols: 2}, nil, evaluate.Options{}), "x: 0 rows of 2 columns: there must be at least one of each"},
		"NaN":                 {silhouette(matrix(1, 0, float32(math.NaN())), types[:2], evaluate.Options{}), "x[1,0]: NaN, but distances need finite values"},
		"labels":              {silhouette(four, types[:3], evaluate.Options{}), "labels: 3 labels, but x has 4 rows: there must be one per cell"},
		"one label":           {silhouette(four, []string{"B", "B", "B", "B"}, evaluate.Options{}), "labels: all 4 cells have the same label, but a silhouette needs two"},
		"labels of their own": {silhouette(four, []string{"1", "2", "3", "4"}, evaluate.Options{}), "labels: each of the 4 cells has a label of its own, but a silhouette needs two cells of one"},
		"threads":             {silhouette(four, types, evaluate.Options{Threads: -2}), "options.Threads: -2, but it must be 0, for all processors, or more"},
		"bio: no graph":       {bio(four, nil, types, nil), "graph: it has no cells"},
		"bio: other graph":    {bio(matrix(1, 1, 2), g, types[:2], nil), "x: 2 rows, but the graph has 4 cells"},
		"bio: no type":        {bio(four, g, []string{"B", "", "T", "T"}, nil), "types[1]: empty label: leave out the cells without one"},
		"bio: resolutions":    {bio(four, g, types, []float64{}), "options.Resolutions: there are none: give nil for 0.1 to 2"},
		"bio: resolution":     {bio(four, g, types, []float64{1, -1}), "options.Resolution: -1, but it must be above 0, or 0 for 1"},
		"batch: types":        {batch(g, types[:3], batches), "types: 3 labels, but the graph has 4 cells"},
		"batch: no type":      {batch(g, []string{"B", "B", "T", ""}, batches), "types[3]: empty label: leave out the cells without one"},
		"batch: batches":      {batch(g, types, batches[:1]), "batches: 1 labels, but x has 4 rows: there must be one per cell"},
		"batch: no batch":     {batch(g, types, []string{"", "1", "1", "2"}), "batches[0]: empty label: leave out the cells without one"},
		"batch: no graph":     {batch(&neighbors.Graph{}, types, batches), "graph: it has no cells"},
		"batch: nothing to judge": {batch(g, types, batches),
			"batches: no type has cells of two batches and more cells than batches"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.EqualError(t, tc.err, tc.want)
			requireInvalidData(t, tc.err)
		})
	}
}

func TestEmbeddingsStopWithTheirContext(t *testing.T) {
	t.Parallel()
	x, types := blobs(40, 3, 2, 1)
	g := graphOf(t, x, 3)
	batches := make([]string, 40)
	for i := range batches {
		batches[i] = strconv.Itoa(i % 3)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := evaluate.Silhouette(ctx, x, types, evaluate.Options{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = evaluate.AvgBIO(ctx, x, g, types, evaluate.BIOOptions{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = evaluate.AvgBATCH(ctx, x, g, types, batches, evaluate.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func BenchmarkSilhouette(b *testing.B) {
	x, labels := blobs(2000, 64, 8, 1)
	for b.Loop() {
		if _, err := evaluate.Silhouette(b.Context(), x, labels, evaluate.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
