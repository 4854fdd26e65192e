package anndata

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Shapes with nothing behind them take neither memory nor time.
func TestClaims(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)

	f, err := Open("testdata/claims.h5ad", WithTempDir(t.TempDir()))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	require.Equal(t, 1_000_000_000, f.NObs())
	nothing := "but next to nothing is stored"

	_, err = f.Obs().Index()
	require.ErrorContains(t, err, nothing)
	for _, name := range []string{"c", "k"} {
		_, err = f.Obs().Column(name)
		require.ErrorContains(t, err, nothing)
	}
	_, err = f.ObsmArray(ctx, "big")
	require.ErrorContains(t, err, nothing)
	_, err = f.UnsValue(ctx, "big")
	require.ErrorContains(t, err, nothing)

	x, err := f.X()
	require.NoError(t, err)
	b, err := x.Rows(ctx, 500_000_000, 500_001_000)
	require.NoError(t, err)
	require.Empty(t, b.Values)
	_, err = x.Rows(ctx, 0, f.NObs())
	require.ErrorContains(t, err, "X: rows 0 to 1000000000 asked for; a block has 16777216 at most")

	csr, err := f.Layer("csr")
	require.NoError(t, err)
	b, err = csr.Rows(ctx, 0, 1000)
	require.NoError(t, err)
	require.Empty(t, b.Values)
	_, err = csr.Rows(ctx, f.NObs()-1000, f.NObs())
	require.ErrorContains(t, err, "layers/csr/indptr[1000000000]")
	csc, err := f.Layer("csc")
	require.NoError(t, err)
	_, err = csc.Rows(ctx, 0, 10)
	require.ErrorContains(t, err, nothing)
	nnz, err := x.NNZ(ctx)
	require.NoError(t, err)
	require.Zero(t, nnz)

	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<20))
	require.NoError(t, ctx.Err())
}
