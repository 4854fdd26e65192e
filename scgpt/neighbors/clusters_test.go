package neighbors_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/community"
	"gonum.org/v1/gonum/graph/simple"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// planted returns a graph of groups that have most of their edges within, cell i
// in group i mod groups, and the groups.
func planted(tb testing.TB, cells, groups, k int) (*neighbors.Graph, []int) {
	tb.Helper()
	r := rand.New(rand.NewPCG(11, 1))
	truth := make([]int, cells)
	result := &neighbors.Result{K: k, Distances: make([]float32, cells*k)}
	for i := range cells {
		truth[i] = i % groups
		for range k {
			j := r.IntN(cells)
			if r.IntN(10) > 0 {
				j = j/groups*groups + truth[i]
			}
			result.Indices = append(result.Indices, int32(min(j, cells-1)))
		}
	}
	g, err := neighbors.NewGraph(result)
	require.NoError(tb, err)
	return g, truth
}

// modularity is gonum's, of the clusters that label the cells.
func modularity(g *neighbors.Graph, clusters []int, resolution float64) float64 {
	reference := simple.NewUndirectedGraph()
	groups := make([][]graph.Node, len(clusters))
	for i, c := range clusters {
		reference.AddNode(simple.Node(i))
		groups[c] = append(groups[c], simple.Node(i))
	}
	addEdges(reference, g)
	return community.Q(reference, groups, resolution)
}

func addEdges(to *simple.UndirectedGraph, g *neighbors.Graph) {
	for i := range g.Len() {
		for _, j := range g.Neighbors(i) {
			if int(j) > i {
				to.SetEdge(simple.Edge{F: simple.Node(i), T: simple.Node(j)})
			}
		}
	}
}

func TestGraph(t *testing.T) {
	t.Parallel()
	// 0 and 1 found each other, 2 found 0, 3 found only itself.
	g, err := neighbors.NewGraph(&neighbors.Result{K: 2, Indices: []int32{1, 0, 1, 0, 0, 0, 3, 3}, Distances: make([]float32, 8)})
	require.NoError(t, err)
	require.Equal(t, 4, g.Len())
	require.Equal(t, 2, g.Edges())
	for i, want := range [][]int32{{1, 2}, {0}, {0}, {}} {
		require.Equal(t, want, g.Neighbors(i))
	}
}

func TestGraphOfSearchIsSymmetric(t *testing.T) {
	t.Parallel()
	cells := normal(9, 200, 3)
	result, err := neighbors.Search(t.Context(), cells, cells, 5, neighbors.Options{ExcludeSelf: true})
	require.NoError(t, err)
	g, err := neighbors.NewGraph(result)
	require.NoError(t, err)
	for i := range g.Len() {
		found, _ := result.Of(i)
		require.Subset(t, g.Neighbors(i), found)
		require.IsIncreasing(t, g.Neighbors(i))
		for _, j := range g.Neighbors(i) {
			require.NotEqual(t, i, int(j))
			require.Contains(t, g.Neighbors(int(j)), int32(i))
			if back, _ := result.Of(int(j)); !slices.Contains(found, j) {
				require.Contains(t, back, int32(i))
			}
		}
	}
}

func TestGraphBadInput(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		result *neighbors.Result
		want   string
	}{
		"nil":   {nil, "result: it has no neighbours"},
		"empty": {&neighbors.Result{}, "result: it has no neighbours"},
		"index": {&neighbors.Result{K: 1, Indices: []int32{1, 2}, Distances: make([]float32, 2)},
			"result.Indices[1]: 2, but the matrix that was searched has 2 entries"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := neighbors.NewGraph(tc.result)
			require.EqualError(t, err, tc.want)
			requireInvalidData(t, err)
		})
	}
}

func TestClustersFindPlantedGroups(t *testing.T) {
	t.Parallel()
	g, truth := planted(t, 900, 6, 10)
	for seed := range uint64(5) {
		got, err := neighbors.Clusters(t.Context(), g, neighbors.ClusterOptions{Seed: seed})
		require.NoError(t, err)
		require.Equal(t, truth, got, "groups of equal size are numbered by their first cell")
	}
}

// TestClustersAreAsGoodAsGonum compares the modularity with that of gonum's
// Louvain method, which is another implementation of the same heuristic.
func TestClustersAreAsGoodAsGonum(t *testing.T) {
	t.Parallel()
	for _, resolution := range []float64{0.3, 1, 2} {
		t.Run(fmt.Sprint(resolution), func(t *testing.T) {
			t.Parallel()
			cells := normal(12, 400, 4)
			result, err := neighbors.Search(t.Context(), cells, cells, 8, neighbors.Options{ExcludeSelf: true})
			require.NoError(t, err)
			g, err := neighbors.NewGraph(result)
			require.NoError(t, err)
			clusters, err := neighbors.Clusters(t.Context(), g, neighbors.ClusterOptions{Resolution: resolution})
			require.NoError(t, err)

			reference := simple.NewUndirectedGraph()
			addEdges(reference, g)
			best := community.Modularize(reference, resolution, rand.NewPCG(1, 2)).Communities()
			require.InDelta(t, community.Q(reference, best, resolution), modularity(g, clusters, resolution), 0.02)
		})
	}
}

// The method ends where no two clusters would be better as one.
func TestClustersAreNotBetterMerged(t *testing.T) {
	t.Parallel()
	g, _ := planted(t, 300, 5, 4)
	clusters, err := neighbors.Clusters(t.Context(), g, neighbors.ClusterOptions{})
	require.NoError(t, err)
	q := modularity(g, clusters, 1)
	count := 0
	for _, c := range clusters {
		count = max(count, c+1)
	}
	for a := range count {
		for b := range a {
			merged := make([]int, len(clusters))
			for i, c := range clusters {
				merged[i] = c
				if c == a {
					merged[i] = b
				}
			}
			require.LessOrEqual(t, modularity(g, merged, 1), q+1e-9, "clusters %d and %d", a, b)
		}
	}
}

func TestClustersByResolution(t *testing.T) {
	t.Parallel()
	g, _ := planted(t, 600, 6, 8)
	count := func(resolution float64) int {
		clusters, err := neighbors.Clusters(t.Context(), g, neighbors.ClusterOptions{Resolution: resolution})
		require.NoError(t, err)
		sizes := map[int]int{}
		for _, c := range clusters {
			sizes[c]++
		}
		for c := range len(sizes) {
			require.Positive(t, sizes[c], "numbers have no gaps")
			require.LessOrEqual(t, sizes[c+1], sizes[c], "clusters are numbered by size")
		}
		return len(sizes)
	}
	require.Equal(t, 1, count(0.01))
	require.Equal(t, 6, count(1))
	require.Greater(t, count(8), 20)
	require.Equal(t, 600, count(1e9))
}

func TestClustersRepeat(t *testing.T) {
	t.Parallel()
	cells := normal(13, 500, 5)
	result, err := neighbors.Search(t.Context(), cells, cells, 6, neighbors.Options{ExcludeSelf: true})
	require.NoError(t, err)
	g, err := neighbors.NewGraph(result)
	require.NoError(t, err)
	want, err := neighbors.Clusters(t.Context(), g, neighbors.ClusterOptions{Seed: 7})
	require.NoError(t, err)
	for range 3 {
		got, err := neighbors.Clusters(t.Context(), g, neighbors.ClusterOptions{Seed: 7})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	other, err := neighbors.Clusters(t.Context(), g, neighbors.ClusterOptions{Seed: 8})
	require.NoError(t, err)
	require.NotEqual(t, want, other, "the seed has no effect")
}

func TestClustersWithoutEdges(t *testing.T) {
	t.Parallel()
	g, err := neighbors.NewGraph(&neighbors.Result{K: 1, Indices: []int32{0, 1, 2}, Distances: make([]float32, 3)})
	require.NoError(t, err)
	got, err := neighbors.Clusters(t.Context(), g, neighbors.ClusterOptions{})
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2}, got)
}

func TestClustersBadInput(t *testing.T) {
	t.Parallel()
	g, _ := planted(t, 20, 2, 3)
	for name, tc := range map[string]struct {
		graph   *neighbors.Graph
		options neighbors.ClusterOptions
		want    string
	}{
		"nil":                 {nil, neighbors.ClusterOptions{}, "graph: it has no cells"},
		"empty":               {&neighbors.Graph{}, neighbors.ClusterOptions{}, "graph: it has no cells"},
		"negative resolution": {g, neighbors.ClusterOptions{Resolution: -1}, "options.Resolution: -1, but it must be above 0, or 0 for 1"},
		"NaN resolution":      {g, neighbors.ClusterOptions{Resolution: math.NaN()}, "options.Resolution: NaN, but it must be above 0, or 0 for 1"},
		"infinite resolution": {g, neighbors.ClusterOptions{Resolution: math.Inf(1)}, "options.Resolution: +Inf, but it must be above 0, or 0 for 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := neighbors.Clusters(t.Context(), tc.graph, tc.options)
			require.EqualError(t, err, tc.want)
			requireInvalidData(t, err)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := neighbors.Clusters(ctx, g, neighbors.ClusterOptions{})
	require.ErrorIs(t, err, context.Canceled)
}
