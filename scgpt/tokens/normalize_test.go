package tokens_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

func TestNormalizeTotal(t *testing.T) {
	t.Parallel()
	values := []float32{1, 3, 0, 4}
	tokens.NormalizeTotal(values, tokens.DefaultTargetSum)
	require.Equal(t, []float32{1250, 3750, 0, 5000}, values)

	zeros := []float32{0, 0}
	tokens.NormalizeTotal(zeros, 1e4)
	require.Equal(t, []float32{0, 0}, zeros)
}

func TestLog1p(t *testing.T) {
	t.Parallel()
	values := []float32{0, 1, 1e-10, float32(math.E) - 1}
	tokens.Log1p(values)
	require.Equal(t, []float32{0, math.Ln2, 1e-10}, values[:3])
	require.InDelta(t, 1, values[3], 1e-7)
}

// Neither step changes the order of values, and so no bin.
func TestNormalisingKeepsBins(t *testing.T) {
	t.Parallel()
	values := []float32{1, 1, 1, 2, 7, 3, 3, 12, 1, 40, 5, 2}
	want, err := tokens.Bin(values, 51, 0.5)
	require.NoError(t, err)
	tokens.NormalizeTotal(values, 1e4)
	tokens.Log1p(values)
	got, err := tokens.Bin(values, 51, 0.5)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
