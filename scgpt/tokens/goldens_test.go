package tokens_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

const testdata = "../../testdata/"

type goldens struct {
	t *testing.T
	f *safetensors.File
}

func openGoldens(t *testing.T, name string) goldens {
	t.Helper()
	f, err := safetensors.Open(testdata + "goldens/" + name + ".safetensors")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return goldens{t, f}
}

func (g goldens) float32(name string) []float32 {
	g.t.Helper()
	tensor, ok := g.f.Tensor(name)
	require.True(g.t, ok, name)
	values, err := tensor.Float32()
	require.NoError(g.t, err)
	return values
}

func (g goldens) int32(name string) []int32 {
	g.t.Helper()
	tensor, ok := g.f.Tensor(name)
	require.True(g.t, ok, name)
	values, err := tensor.Int32()
	require.NoError(g.t, err)
	return values
}

func (g goldens) shape(name string) []int {
	g.t.Helper()
	_, shape, ok := g.f.Info(name)
	require.True(g.t, ok, name)
	return shape
}

// The cases are upstream's binning with numpy.random.rand fixed at r.
func TestBinEqualsUpstream(t *testing.T) {
	t.Parallel()
	g := openGoldens(t, "binning")
	const cases = 14
	require.Len(t, g.f.Names(), 4*cases)
	for c := range cases {
		x := g.float32(fmt.Sprintf("c%d_x", c))
		for _, r := range []float64{0, 0.5, 0.999} {
			name := fmt.Sprintf("c%d_r%v", c, r)
			if r == 0 {
				name = fmt.Sprintf("c%d_r0.0", c)
			}
			digits, err := tokens.Bin(x, 51, r)
			require.NoError(t, err)
			require.Equal(t, g.float32(name), digits, name)
		}
	}
}
