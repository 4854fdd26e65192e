package neighbors

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

// The kernels only rule out; the result has the same bytes with all of them.
func TestSameBytesWithAnyKernels(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ queries, refs, cols, k int }{{3, 1, 5, 1}, {70, 211, 33, 7}, {130, 400, 600, 20}} {
		fill := func(seed uint64, rows int) Matrix {
			rng := rand.New(rand.NewPCG(seed, 3))
			m := Matrix{Data: make([]float32, rows*size.cols), Rows: rows, Cols: size.cols}
			for i := range m.Data {
				m.Data[i] = float32(rng.NormFloat64())
			}
			return m
		}
		queries, refs := fill(1, size.queries), fill(2, size.refs)
		want, err := searchWith(t.Context(), kernel.Generic, nil, queries, refs, size.k, Options{})
		require.NoError(t, err)
		for _, set := range kernel.Sets() {
			if !set.InPlace() {
				continue
			}
			got, err := searchWith(t.Context(), set, nil, queries, refs, size.k, Options{Threads: 2})
			require.NoError(t, err)
			require.Equal(t, want, got, set.Name)
		}
	}
}
