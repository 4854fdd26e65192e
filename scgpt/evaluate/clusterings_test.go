package evaluate_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/evaluate"
)

func TestClusteringsEqualScikitLearn(t *testing.T) {
	t.Parallel()
	for _, tc := range readCases[struct {
		Name     string
		Truth    []string
		Clusters []int
		ARI, NMI float64
	}](t, "clusterings.json") {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			ari, err := evaluate.ARI(tc.Truth, tc.Clusters)
			require.NoError(t, err)
			require.InDelta(t, tc.ARI, ari, tolerance)
			nmi, err := evaluate.NMI(tc.Truth, tc.Clusters)
			require.NoError(t, err)
			require.InDelta(t, tc.NMI, nmi, tolerance)

			// Both are symmetric.
			ari, err = evaluate.ARI(tc.Clusters, tc.Truth)
			require.NoError(t, err)
			require.InDelta(t, tc.ARI, ari, tolerance)
			nmi, err = evaluate.NMI(tc.Clusters, tc.Truth)
			require.NoError(t, err)
			require.InDelta(t, tc.NMI, nmi, tolerance)
		})
	}
}

// TestClusteringsOfManyCells has counts whose products pass 64 bits.
func TestClusteringsOfManyCells(t *testing.T) {
	t.Parallel()
	truth, clusters := make([]string, 400_000), make([]int, 400_000)
	for i := range truth {
		truth[i], clusters[i] = strconv.Itoa(i%4), i%4/2
	}
	ari, err := evaluate.ARI(truth, clusters)
	require.NoError(t, err)
	// With n = 400,000 in four groups that are joined two by two: of the
	// n²/4-n ordered pairs in a group all are in one cluster, of n²/2-n.
	n := 400_000.0
	index, rows, columns, all := n*n/4-n, n*n/4-n, n*n/2-n, n*n-n
	expected := rows * columns / all
	require.InDelta(t, (index-expected)/((rows+columns)/2-expected), ari, tolerance)
	nmi, err := evaluate.NMI(truth, clusters)
	require.NoError(t, err)
	require.InDelta(t, 2.0/3, nmi, tolerance)
}

func TestClusteringsBadInput(t *testing.T) {
	t.Parallel()
	type cellType string
	for name, tc := range map[string]struct {
		truth    []cellType
		clusters []int
		want     string
	}{
		"empty":       {nil, nil, "truth: there are no cells"},
		"lengths":     {[]cellType{"B"}, nil, "clusters: 0 labels, but truth has 1: both need one per cell"},
		"empty label": {[]cellType{"B", ""}, []int{0, 0}, "truth[1]: empty label: leave out the cells without one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := evaluate.ARI(tc.truth, tc.clusters)
			require.EqualError(t, err, tc.want)
			requireInvalidData(t, err)
			_, err = evaluate.NMI(tc.truth, tc.clusters)
			require.EqualError(t, err, tc.want)
			requireInvalidData(t, err)
		})
	}
}
