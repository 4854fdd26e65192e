package anndata

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// many is a matrix of more values than are read at a time, of which some rows have
// none.
func many(t *testing.T, rows, cols int) *Matrix {
	t.Helper()
	_, data, indices, indptr := random(rows, cols)
	x, err := crafted{cells: rows, genes: cols, x: sparse("csr", []int64{int64(rows), int64(cols)}, data, indices, indptr)}.open(t).X()
	require.NoError(t, err)
	require.Greater(t, x.data.Rows(), 2*aheadEntries)
	return x
}

func TestBlocksAreReadAhead(t *testing.T) {
	t.Parallel()
	x := many(t, 30_000, 200)
	want := whole(t, x)
	for name, c := range map[string]struct{ from, to, n int }{
		"all":              {0, 30_000, 256},
		"a part":           {17, 29_000, 100},
		"smallest":         {29_990, 30_000, 1},
		"larger than read": {0, 30_000, 29_999},
		"largest":          {0, 30_000, 1 << 62},
		"none":             {5, 5, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := c.from
			for b, err := range x.Blocks(t.Context(), c.from, c.to, c.n) {
				require.NoError(t, err)
				require.Equal(t, next, b.From)
				require.Equal(t, min(c.n, c.to-next), b.NRows())
				columns, values := b.Row(b.NRows() - 1)
				wantColumns, wantValues := want.Row(b.To - 1)
				require.Equal(t, wantColumns, columns)
				require.Equal(t, wantValues, values)
				clear(b.Values) // the caller's, until the next one
				clear(b.Indices)
				next = b.To
			}
			require.Equal(t, c.to, next)
		})
	}
}

// Whoever stops early leaves nothing that reads on; goleak would tell.
func TestBlocksEndEarly(t *testing.T) {
	t.Parallel()
	x := many(t, 30_000, 200)
	for _, err := range x.Blocks(t.Context(), 0, x.NRows(), 256) {
		require.NoError(t, err)
		break
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	read, last := 0, error(nil)
	for b, err := range x.Blocks(ctx, 0, x.NRows(), 256) {
		cancel(errors.New("enough"))
		if last = err; err == nil {
			read = b.To
		}
	}
	require.EqualError(t, last, "enough")
	require.Less(t, read, x.NRows())
}

func TestBlocksAhead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, values, rows, want int }{
		{256, 8_000_000, 50_000, 6},
		{1, 10, 10, 64},
		{256, 0, 0, 64},
		{maxBlockRows, 1, 1, 1},
		{256, 1<<56 - 1, 1, 1}, // the product would be 0
		{maxBlockRows, math.MaxInt, 1, 1},
	} {
		require.Equal(t, c.want, blocksAhead(c.n, c.values, c.rows), "%+v", c)
	}
}

func TestBlocksWithErrors(t *testing.T) {
	t.Parallel()
	const rows = 1000
	data, indices, indptr := make([]float32, rows), make([]int64, rows), make([]int64, rows+1)
	for i := range rows {
		data[i], indptr[i+1] = 1, int64(i+1)
	}
	indices[700] = 3
	x, err := crafted{cells: rows, genes: 3, x: sparse("csr", []int64{rows, 3}, data, indices, indptr)}.open(t).X()
	require.NoError(t, err)
	for want, c := range map[string]struct{ from, to, n int }{
		"X/indices[700] = 3, but there are 3 genes":     {0, rows, 10},
		"X: rows -1 to 10 asked for, there are 1000":    {-1, 10, 10},
		"X: rows 990 to 1001 asked for, there are 1000": {990, 1001, 10},
		"X: rows 10 to 9 asked for, there are 1000":     {10, 9, 10},
		"X: blocks of 0 rows asked for":                 {0, rows, 0},
	} {
		var last error
		for b, err := range x.Blocks(t.Context(), c.from, c.to, c.n) {
			require.NoError(t, last, "it goes on after an error")
			require.Equal(t, err == nil, b != nil)
			last = err
		}
		require.ErrorContains(t, last, want)
	}
}
