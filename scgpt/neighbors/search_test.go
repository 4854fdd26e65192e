package neighbors_test

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

func matrix(cols int, values ...float32) neighbors.Matrix {
	return neighbors.Matrix{Data: values, Rows: len(values) / cols, Cols: cols}
}

// normal returns a matrix of normally distributed values.
func normal(seed uint64, rows, cols int) neighbors.Matrix {
	r := rand.New(rand.NewPCG(seed, 1))
	m := neighbors.Matrix{Data: make([]float32, rows*cols), Rows: rows, Cols: cols}
	for i := range m.Data {
		m.Data[i] = float32(r.NormFloat64())
	}
	return m
}

func TestSearchEqualsScikitLearn(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/nearest.json")
	require.NoError(t, err)
	var cases []struct {
		Name        string
		Cols, K     int
		ExcludeSelf bool `json:"exclude_self"`
		Queries     []float32
		Refs        []float32
		Indices     []int32
		Distances   []float64
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	require.NotEmpty(t, cases)
	for _, tc := range cases {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			got, err := neighbors.Search(t.Context(), matrix(tc.Cols, tc.Queries...), matrix(tc.Cols, tc.Refs...), tc.K,
				neighbors.Options{ExcludeSelf: tc.ExcludeSelf})
			require.NoError(t, err)
			require.Equal(t, tc.K, got.K)
			require.Equal(t, tc.Indices, got.Indices)
			require.Len(t, got.Distances, len(tc.Distances))
			for i, want := range tc.Distances {
				require.InEpsilon(t, want, got.Distances[i], 1e-6, "distance %d", i)
			}
		})
	}
}

// bySorting is what Search promises, written plainly.
func bySorting(queries, refs neighbors.Matrix, k int, excludeSelf bool) *neighbors.Result {
	type pair struct {
		square float64
		index  int32
	}
	result := &neighbors.Result{K: k}
	for q := range queries.Rows {
		var pairs []pair
		for r := range refs.Rows {
			if excludeSelf && r == q {
				continue
			}
			p := pair{index: int32(r)}
			for j, v := range queries.Row(q) {
				d := float64(v) - float64(refs.Row(r)[j])
				p.square += d * d
			}
			pairs = append(pairs, p)
		}
		slices.SortFunc(pairs, func(a, b pair) int {
			return cmp.Or(cmp.Compare(a.square, b.square), cmp.Compare(a.index, b.index))
		})
		for _, p := range pairs[:k] {
			result.Indices = append(result.Indices, p.index)
			result.Distances = append(result.Distances, float32(math.Sqrt(p.square)))
		}
	}
	return result
}

// TestSearchBreaksTiesByIndex uses points of small whole numbers, whose
// distances are exact in any order of summation and mostly equal to others.
func TestSearchBreaksTiesByIndex(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 1))
	grid := func(rows, cols, span int) neighbors.Matrix {
		m := neighbors.Matrix{Data: make([]float32, rows*cols), Rows: rows, Cols: cols}
		for i := range m.Data {
			m.Data[i] = float32(r.IntN(2*span+1) - span)
		}
		return m
	}
	for range 60 {
		cols, span := 1+r.IntN(7), r.IntN(4)
		queries, refs := grid(1+r.IntN(150), cols, span), grid(2+r.IntN(500), cols, span)
		options := neighbors.Options{Threads: 1 + r.IntN(4), ExcludeSelf: r.IntN(3) == 0}
		most := refs.Rows
		if options.ExcludeSelf {
			queries = refs
			most--
		}
		k := 1 + r.IntN(min(most, 40))
		got, err := neighbors.Search(t.Context(), queries, refs, k, options)
		require.NoError(t, err)
		require.Equal(t, bySorting(queries, refs, k, options.ExcludeSelf), got)
	}
}

// TestSearchIsExact uses values for which a product of 32 bits says nothing, or
// overflows, or underflows, and references that differ by less than its error.
func TestSearchIsExact(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(i, cols int, v float32) float32{
		"offset":           func(_, _ int, v float32) float32 { return 1e5 + v },
		"nearly equal":     func(_, _ int, v float32) float32 { return 1 + v*1e-6 },
		"overflow":         func(_, _ int, v float32) float32 { return 1e37 * v },
		"underflow":        func(_, _ int, v float32) float32 { return 1e-30 * v },
		"denormal":         func(_, _ int, v float32) float32 { return 1e-42 * v },
		"rows of any size": func(i, cols int, v float32) float32 { return v * float32(math.Pow(10, float64(i/cols%61-30))) },
		"cols of any size": func(i, cols int, v float32) float32 { return v * float32(math.Pow(10, float64(i%cols*5-15))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queries, refs := normal(1, 70, 7), normal(2, 450, 7)
			for _, m := range []neighbors.Matrix{queries, refs} {
				for i, v := range m.Data {
					m.Data[i] = change(i, m.Cols, v)
				}
			}
			want := bySorting(queries, refs, 12, false)
			got, err := neighbors.Search(t.Context(), queries, refs, 12, neighbors.Options{})
			require.NoError(t, err)
			require.Equal(t, want.Indices, got.Indices)
			for i := range want.Distances {
				require.InDelta(t, want.Distances[i], got.Distances[i], 1e-6*float64(want.Distances[i]))
			}
		})
	}
}

func TestSearchDoesNotDependOnThreadsOrBlocks(t *testing.T) {
	t.Parallel()
	queries, refs := normal(5, 300, 33), normal(6, 1000, 33)
	want, err := neighbors.Search(t.Context(), queries, refs, 15, neighbors.Options{Threads: 1})
	require.NoError(t, err)
	for _, threads := range []int{0, 2, 3, 7, 300, 1000} {
		got, err := neighbors.Search(t.Context(), queries, refs, 15, neighbors.Options{Threads: threads})
		require.NoError(t, err)
		require.Equal(t, want, got, "%d threads", threads)
	}
	for i := 0; i < queries.Rows; i += 37 {
		alone, err := neighbors.Search(t.Context(), matrix(33, queries.Row(i)...), refs, 15, neighbors.Options{})
		require.NoError(t, err)
		indices, distances := want.Of(i)
		require.Equal(t, indices, alone.Indices)
		require.Equal(t, distances, alone.Distances)
	}
}

func TestSearchLeavesItsInputAlone(t *testing.T) {
	t.Parallel()
	queries, refs := normal(5, 30, 8), normal(6, 90, 8)
	_, err := neighbors.Search(t.Context(), queries, refs, 3, neighbors.Options{})
	require.NoError(t, err)
	require.Equal(t, normal(5, 30, 8), queries)
	require.Equal(t, normal(6, 90, 8), refs)
}

func TestSearchBadInput(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	good := matrix(2, 1, 2, 3, 4, 5, 6)
	for name, tc := range map[string]struct {
		queries, refs neighbors.Matrix
		k             int
		options       neighbors.Options
		want          string
	}{
		"no queries":      {neighbors.Matrix{Cols: 2}, good, 1, neighbors.Options{}, "queries: 0 rows of 2 columns: there must be at least one of each"},
		"no references":   {good, neighbors.Matrix{Cols: 2}, 1, neighbors.Options{}, "refs: 0 rows of 2 columns: there must be at least one of each"},
		"no columns":      {neighbors.Matrix{Rows: 3}, good, 1, neighbors.Options{}, "queries: 3 rows of 0 columns: there must be at least one of each"},
		"too few values":  {neighbors.Matrix{Data: make([]float32, 5), Rows: 3, Cols: 2}, good, 1, neighbors.Options{}, "queries: 5 values for 3 rows of 2 columns"},
		"too many values": {good, neighbors.Matrix{Data: make([]float32, 8), Rows: 3, Cols: 2}, 1, neighbors.Options{}, "refs: 8 values for 3 rows of 2 columns"},
		"overflowing size": {neighbors.Matrix{Data: make([]float32, 4), Rows: math.MaxInt32, Cols: math.MaxInt}, good, 1, neighbors.Options{},
			"queries: 4 values for 2147483647 rows of 9223372036854775807 columns"},
		"too many rows": {neighbors.Matrix{Rows: math.MaxInt, Cols: 1}, good, 1, neighbors.Options{},
			"queries: 9223372036854775807 rows, but at most 2147483647 can be numbered"},
		"other columns": {matrix(3, 1, 2, 3), good, 1, neighbors.Options{}, "queries: 3 columns, but refs has 2: both must come from the same model"},
		"NaN":           {matrix(2, 1, 2, 3, nan), good, 1, neighbors.Options{}, "queries[1,1]: NaN, but distances need finite values"},
		"infinite":      {good, matrix(2, 1, 2, inf, 4), 1, neighbors.Options{}, "refs[1,0]: -Inf, but distances need finite values"},
		"too large": {matrix(2, math.MaxFloat32, 0), matrix(2, -math.MaxFloat32, 0), 1, neighbors.Options{},
			"queries and refs: values too large: a distance can pass 3.4028234663852886e+38, the greatest number of 32 bits"},
		"k of zero":        {good, good, 0, neighbors.Options{}, "k: 0, but at least one neighbour must be asked for"},
		"k too large":      {good, good, 4, neighbors.Options{}, "k: 4, but a query has only 3 references to choose from"},
		"k without itself": {good, good, 3, neighbors.Options{ExcludeSelf: true}, "k: 3, but a query has only 2 references to choose from"},
		"not itself": {matrix(2, 1, 2), good, 1, neighbors.Options{ExcludeSelf: true},
			"options.ExcludeSelf: there are 1 queries and 3 refs, but it is for a matrix searched in itself"},
		"threads": {good, good, 1, neighbors.Options{Threads: -1}, "options.Threads: -1, but it must be 0, for all processors, or more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := neighbors.Search(t.Context(), tc.queries, tc.refs, tc.k, tc.options)
			require.EqualError(t, err, tc.want)
			requireInvalidData(t, err)
		})
	}
}

func requireInvalidData(t *testing.T, err error) {
	t.Helper()
	var typed interface{ ErrorType() string }
	require.ErrorAs(t, err, &typed)
	require.Equal(t, "InvalidDataError", typed.ErrorType())
}

func TestSearchStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := neighbors.Search(ctx, normal(1, 5, 2), normal(2, 9, 2), 1, neighbors.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

// countdown is a context that ends after it was asked a number of times.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

func TestSearchStopsAmidABlock(t *testing.T) {
	t.Parallel()
	ctx := &countdown{Context: t.Context(), left: 5}
	_, err := neighbors.Search(ctx, normal(1, 50, 2), normal(2, 5000, 2), 1, neighbors.Options{Threads: 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.GreaterOrEqual(t, ctx.left, -4, "the search went on")
}
