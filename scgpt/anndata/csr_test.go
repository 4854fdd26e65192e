package anndata

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// What looks at two numbers at a time says what one would say who looks at each.
func TestLooksAtTwo(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	someIndices := []int32{math.MinInt32, -2, -1, 0, 1, 2, 3, 4, 1 << 16, math.MaxInt32 - 1, math.MaxInt32}
	someValues := []float32{0, float32(math.Copysign(0, -1)), 1, -1, math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32,
		float32(math.NaN()), float32(math.Inf(1)), math.MaxFloat32}
	yes, zero := 0, 0
	for range 200_000 {
		n, limit := r.IntN(7), 1+r.IntN(6)
		indices, values := make([]int32, n), make([]float32, n)
		for i := range n {
			indices[i] = someIndices[r.IntN(len(someIndices))]
			values[i] = someValues[r.IntN(len(someValues))]
		}
		if r.IntN(2) == 0 {
			slices.Sort(indices)
		}
		want := true
		for i, c := range indices {
			want = want && c >= 0 && int(c) < limit && (i == 0 || c > indices[i-1])
		}
		require.Equal(t, want, ascending(indices, limit), "%v below %d", indices, limit)
		require.Equal(t, slices.Contains(values, 0), anyZero(values), "%v", values)
		if want && n > 2 {
			yes++
		}
		if slices.Contains(values, 0) {
			zero++
		}
	}
	require.Greater(t, yes, 100)
	require.Greater(t, zero, 100)
}
