package projection

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpAndLog(t *testing.T) {
	t.Parallel()
	require.Equal(t, 1.0, exp(0))
	require.Equal(t, 0.0, log(1))
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		x := 700 * (2*r.Float64() - 1)
		if r.IntN(2) == 0 {
			x /= 1000
		}
		require.InEpsilon(t, math.Exp(x), exp(x), 4e-16, "exp(%v)", x)
		y := math.Exp(x)
		require.InDelta(t, math.Log(y), log(y), 4e-16*max(1, math.Abs(x)), "log(%v)", y)
	}
	for _, x := range []float64{1e-300, 1 - 1e-15, 1 + 1e-15, 2, math.Sqrt2 / 2, math.MaxFloat64} {
		require.InDelta(t, math.Log(x), log(x), 4e-16*max(1, math.Abs(math.Log(x))), "log(%v)", x)
	}
	require.InEpsilon(t, math.Pow(3.7, 1.33), power(3.7, 1.33), 1e-15)
}
