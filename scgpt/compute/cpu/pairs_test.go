package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

// What computetest holds products of pairs to would hold without them, too.
func TestPairsAreMultiplied(t *testing.T) {
	t.Parallel()
	const d, rows = 128, 301
	for _, set := range kernel.Sets() {
		t.Run(set.Name+"/"+set.Precision, func(t *testing.T) {
			t.Parallel()
			dev := newDevice(set, 2)
			t.Cleanup(func() { require.NoError(t, dev.Close()) })
			numbers := make([]float32, rows*d)
			for i := range numbers {
				numbers[i] = float32(i*i%1013)/1013 - 0.5
			}
			weights, err := dev.UploadPaired(d, d, numbers[:d*d])
			require.NoError(t, err)
			content, err := dev.MatrixContent(weights)
			require.NoError(t, err)
			plain := set.PackedLen(d, d)
			if !set.Pairs(d, d) {
				require.Len(t, content, plain)
				return
			}
			require.Len(t, content, 2*plain)

			vector, err := dev.Upload(1, d, numbers[:d])
			require.NoError(t, err)
			cells, err := dev.NewLayout([]int32{0, 1, 4, rows})
			require.NoError(t, err)
			l, n := compute.Linear{Weight: weights}, compute.Norm{Gamma: vector, Beta: vector, Eps: 1e-5}
			finish := func(cells compute.Layout) []float32 {
				h, err := dev.Upload(rows, d, numbers)
				require.NoError(t, err)
				attended, err := dev.Upload(rows, d, numbers)
				require.NoError(t, err)
				require.NoError(t, dev.FinishLayer(t.Context(), h, attended, cells, compute.LayerTail{Out: l, Up: l, Down: l, Norm1: n, Norm2: n}))
				out, err := dev.floats("test", "result", h)
				require.NoError(t, err)
				return out
			}
			one, two := finish(nil), finish(cells)
			require.NotEqual(t, one, two, "pairs are summed in another order")
			require.InDeltaSlice(t, one, two, 1e-3)
		})
	}
}
