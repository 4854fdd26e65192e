//go:build cuda

package cuda_test

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/checkpointtest"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/model"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// fullSizeVariable asks for the test of the full-size model.
const fullSizeVariable = "TROUPE_CUDA_FULL"

// TestFullSize holds the full-size model to the same bytes for a cell alone, in
// a batch and at another place in it, and each precision to fp32.
func TestFullSize(t *testing.T) {
	if os.Getenv(fullSizeVariable) == "" {
		t.Skipf("a simulated device takes hours: set %s=1 where there is a GPU", fullSizeVariable)
	}
	dir := t.TempDir()
	shape := checkpointtest.FullSize(3000)
	require.NoError(t, shape.Write(dir))
	ck, err := checkpoint.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })

	rng := rand.New(rand.NewPCG(3, 1))
	var cells []tokens.Packed
	for i := range 90 {
		n := 1 + rng.IntN(1500)
		if i < 3 {
			n = []int{1, 2, 3000}[i]
		}
		c := tokens.Packed{Offsets: []int32{0, int32(n)}}
		for j := range n {
			id, value := int32(shape.Vocab-2), float32(0)
			if j > 0 {
				id, value = rng.Int32N(int32(shape.Vocab-3)), float32(1+rng.IntN(50))
			}
			c.IDs, c.Values = append(c.IDs, id), append(c.Values, value)
		}
		cells = append(cells, c)
	}
	join := func(order []int) (b tokens.Packed) {
		b.Offsets = []int32{0}
		for _, i := range order {
			b.IDs, b.Values = append(b.IDs, cells[i].IDs...), append(b.Values, cells[i].Values...)
			b.Offsets = append(b.Offsets, int32(len(b.IDs)))
		}
		return b
	}
	var exact []float32
	for _, p := range []compute.Precision{compute.FP32, compute.TF32, compute.BF16} {
		t.Run(string(p), func(t *testing.T) {
			dev, err := compute.Open(deviceName(), compute.Options{Precision: p})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, dev.Close()) })
			m, err := model.Load(dev, ck)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, m.Close()) })
			embed := func(order ...int) []float32 {
				out, err := m.Forward(t.Context(), join(order), model.Options{})
				require.NoError(t, err)
				return out.CellEmbeddings
			}
			order := rng.Perm(len(cells))
			all := make([]float32, len(cells)*shape.Width)
			batch := embed(order...)
			for at, i := range order {
				copy(all[i*shape.Width:(i+1)*shape.Width], batch[at*shape.Width:])
			}
			row := func(x []float32, i int) []float32 { return x[i*shape.Width : (i+1)*shape.Width] }
			for i := range cells {
				require.Equal(t, row(all, i), embed(i), "cell %d alone and in the batch", i)
			}
			other := rng.Perm(len(cells))[:40]
			for at, i := range other {
				if at == 0 {
					batch = embed(other...)
				}
				require.Equal(t, row(all, i), row(batch, at), "cell %d in another batch", i)
			}
			whole, err := m.Forward(t.Context(), join(other), model.Options{TokenEmbeddings: true})
			require.NoError(t, err)
			require.Equal(t, batch, whole.CellEmbeddings, "first tokens alone and all tokens")

			if p == compute.FP32 {
				exact = all
				return
			}
			worst := 1.0
			for i := range cells {
				worst = min(worst, cosine(row(exact, i), row(all, i)))
			}
			t.Logf("smallest cosine to fp32: %.6f", worst)
			require.Greater(t, worst, 0.999)
		})
	}
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}
