package markers_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/markers"
)

// rows gives the cells of a matrix without their zeros.
func rows(x [][]float32) markers.Source {
	return func(yield func(int, []int32, []float32) error) error {
		for i, row := range x {
			var genes []int32
			var values []float32
			for g, v := range row {
				if v != 0 {
					genes, values = append(genes, int32(g)), append(values, v)
				}
			}
			if err := yield(i, genes, values); err != nil {
				return err
			}
		}
		return nil
	}
}

// Scores are scipy's Welch's t; testdata/make_ttest.py made them.
func TestScores(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/ttest.json")
	require.NoError(t, err)
	var golden struct {
		X      [][]float32
		Groups []int
		T      [][]*float64
	}
	require.NoError(t, json.Unmarshal(data, &golden))
	ranked, err := markers.Rank(t.Context(), rows(golden.X), len(golden.X[0]), golden.Groups, 100)
	require.NoError(t, err)
	require.Len(t, ranked, 3)
	for g, list := range ranked {
		found := map[int]bool{}
		for i, gene := range list {
			require.InDelta(t, *golden.T[g][gene.Index], gene.Score, 1e-9)
			require.Greater(t, gene.Mean, gene.Rest)
			if i > 0 {
				require.GreaterOrEqual(t, list[i-1].Score, gene.Score)
			}
			found[gene.Index] = true
		}
		for index, score := range golden.T[g] {
			require.Equal(t, score != nil && *score > 0, found[index], "gene %d in group %d", index, g)
		}
	}
	require.Equal(t, 3, ranked[0][0].Index)
	require.Equal(t, 7, ranked[1][0].Index)

	top, err := markers.Rank(t.Context(), rows(golden.X), len(golden.X[0]), golden.Groups, 2)
	require.NoError(t, err)
	require.Equal(t, ranked[1][:2], top[1])
}

func TestEdges(t *testing.T) {
	t.Parallel()
	x := [][]float32{{1, 0}, {2, 0}, {0, 1}, {0, 3}}
	none, err := markers.Rank(t.Context(), rows(x), 2, []int{-1, -1, -1, -1}, 5)
	require.NoError(t, err)
	require.Empty(t, none)
	lone, err := markers.Rank(t.Context(), rows(x), 2, []int{0, -1, -1, -1}, 5)
	require.NoError(t, err)
	require.Empty(t, lone[0], "one cell has no variance")
	everyone, err := markers.Rank(t.Context(), rows(x), 2, []int{0, 0, 0, 0}, 5)
	require.NoError(t, err)
	require.Empty(t, everyone[0], "there is no rest")

	for _, groups := range [][]int{{-2, 0, 0, 0}, {markers.MaxGroups, 0, 0, 0}, {0, 0, 0}} {
		_, err := markers.Rank(t.Context(), rows(x), 2, groups, 5)
		require.ErrorContains(t, err, "markers: ")
	}
	_, err = markers.Rank(t.Context(), rows(x), 1, []int{0, 0, 1, 1}, 5)
	require.ErrorContains(t, err, "gene 1, but there are 1")
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	_, err = markers.Rank(ctx, rows(x), 2, []int{0, 0, 1, 1}, 5)
	require.ErrorIs(t, err, stop)
}
