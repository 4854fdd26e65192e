package computetest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// testShare maps the content of weights on another device of the class.
func testShare(t *testing.T, c Config) {
	dev, _ := c.pair(t)
	sharer, ok := dev.Device.(compute.Sharer)
	if !ok {
		t.Skip("the device is no Sharer")
	}
	opened, err := c.Open(compute.Options{})
	other := newBench(t, opened, err)
	require.Equal(t, dev.Class(), other.Class())
	const n, in, out = 9, 37, 70
	x, bias, w := dev.upload(n, in, numbers(1, n*in, 1)), dev.upload(1, out, numbers(2, out, 1)), dev.matrix(out, in, numbers(3, out*in, 1))
	run := func(b *bench, x, bias compute.Tensor, w compute.Matrix) []float32 {
		dst := b.tensor(n, out)
		require.NoError(t, b.Linear(b.ctx, dst, x, w, bias, compute.Identity))
		return b.read(dst)
	}
	want := run(dev, x, bias, w)

	content := func(x []float32, err error) []float32 {
		require.NoError(t, err)
		return slices.Clone(x)
	}
	xs, biases, ws := content(sharer.TensorContent(x)), content(sharer.TensorContent(bias)), content(sharer.MatrixContent(w))
	before := [][]float32{slices.Clone(xs), slices.Clone(biases), slices.Clone(ws)}
	mapper := other.Device.(compute.Sharer)
	tensor := func(rows, cols int, content []float32) compute.Tensor {
		x, err := mapper.MapTensor(rows, cols, content)
		require.NoError(t, err)
		return x
	}
	mapped, mappedBias := tensor(n, in, xs), tensor(1, out, biases)
	mappedW, err := mapper.MapMatrix(out, in, ws)
	require.NoError(t, err)
	require.Equal(t, []int{out, in}, []int{mappedW.Out(), mappedW.In()})
	requireSameBits(t, want, run(other, mapped, mappedBias, mappedW), "mapped weights")
	for _, f := range []interface{ Free() }{mapped, mappedBias, mappedW, mapped} {
		f.Free()
	}
	for i, x := range [][]float32{xs, biases, ws} {
		requireSameBits(t, before[i], x, "content after use")
	}

	var shape *compute.ShapeError
	for name, err := range map[string]error{
		"freed tensor":   second(mapper.TensorContent(mapped)),
		"freed matrix":   second(mapper.MatrixContent(mappedW)),
		"foreign tensor": second(mapper.TensorContent(x)),
		"foreign matrix": second(mapper.MatrixContent(w)),
		"short tensor":   second(mapper.MapTensor(n, in, xs[1:])),
		"no columns":     second(mapper.MapTensor(n, 0, nil)),
		"short matrix":   second(mapper.MapMatrix(out, in, ws[1:])),
		"no outputs":     second(mapper.MapMatrix(0, in, nil)),
		"negative":       second(mapper.MapMatrix(out, -in, ws)),
	} {
		require.ErrorAs(t, err, &shape, name)
	}
}

func second[T any](_ T, err error) error { return err }
