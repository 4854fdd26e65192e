package evaluate_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/evaluate"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

func TestTrustworthinessEqualsScikitLearn(t *testing.T) {
	t.Parallel()
	for _, tc := range readCases[struct {
		Name            string
		Cols, K         int
		X, Projected    []float32
		Trustworthiness float64
	}](t, "trustworthiness.json") {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			x := matrix(tc.Cols, tc.X...)
			projected := matrix(len(tc.Projected)/x.Rows, tc.Projected...)
			for _, threads := range []int{0, 1, 3, 1000} {
				got, err := evaluate.Trustworthiness(t.Context(), x, projected, tc.K, evaluate.Options{Threads: threads})
				require.NoError(t, err)
				require.InDelta(t, tc.Trustworthiness, got, tolerance)
			}
		})
	}
}

func TestTrustworthinessBadInput(t *testing.T) {
	t.Parallel()
	four := matrix(1, 0, 1, 5, 6)
	for name, tc := range map[string]struct {
		x, projected neighbors.Matrix
		k            int
		options      evaluate.Options
		want         string
	}{
		"no cells":   {neighbors.Matrix{Cols: 2}, four, 1, evaluate.Options{}, "x: 0 rows of 2 columns: there must be at least one of each"},
		"rows":       {four, matrix(1, 1, 2, 3), 1, evaluate.Options{}, "projected: 3 rows, but x has 4: there must be one per cell"},
		"half":       {four, four, 2, evaluate.Options{}, "k: 2, but it must be at least 1 and less than half of the 4 cells"},
		"none":       {four, four, 0, evaluate.Options{}, "k: 0, but it must be at least 1 and less than half of the 4 cells"},
		"threads":    {four, four, 1, evaluate.Options{Threads: -1}, "options.Threads: -1, but it must be 0, for all processors, or more"},
		"projection": {four, matrix(2, 1, 2, 3), 1, evaluate.Options{}, "projected: 1 rows, but x has 4: there must be one per cell"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := evaluate.Trustworthiness(t.Context(), tc.x, tc.projected, tc.k, tc.options)
			require.EqualError(t, err, tc.want)
			requireInvalidData(t, err)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := evaluate.Trustworthiness(ctx, four, four, 1, evaluate.Options{})
	require.ErrorIs(t, err, context.Canceled)
}
