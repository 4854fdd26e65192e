package computetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// pairNetwork is a layer whose weights are for pairs of rows, and the same one
// whose weights are not.
type pairNetwork struct {
	*bench
	width, heads int
	qkv          [2]compute.Linear
	tail         [2]compute.LayerTail
}

// The two of each.
const (
	single = iota
	paired
)

func newPairNetwork(b *bench, width, hidden, heads int) *pairNetwork {
	n := &pairNetwork{bench: b, width: width, heads: heads}
	for kind := range 2 {
		linear := func(seed uint64, out, in int, biased bool) compute.Linear {
			weights := numbers(seed, out*in, 0.0625)
			l := compute.Linear{}
			var err error
			if kind == paired {
				l.Weight, err = b.Device.(compute.PairUploader).UploadPaired(out, in, weights)
			} else {
				l.Weight, err = b.UploadMatrix(out, in, weights)
			}
			require.NoError(b, err)
			if biased {
				l.Bias = b.upload(1, out, numbers(seed+1, out, 0.1))
			}
			return l
		}
		norm := compute.Norm{Gamma: b.upload(1, width, numbers(20, width, 1)), Beta: b.upload(1, width, numbers(21, width, 0.1)), Eps: 1e-5}
		n.qkv[kind] = linear(1, 3*width, width, true)
		n.tail[kind] = compute.LayerTail{
			Out: linear(3, width, width, true), Up: linear(5, hidden, width, true), Down: linear(7, width, hidden, false), Norm1: norm, Norm2: norm,
		}
	}
	return n
}

// start and finish run the operation on some cells and return its result.
func (n *pairNetwork) start(kind int, x []float32, lengths []int) []float32 {
	h, attended := n.upload(total(lengths), n.width, x), n.tensor(total(lengths), n.width)
	defer h.Free()
	defer attended.Free()
	cells := n.layout(lengths...)
	defer cells.Free()
	require.NoError(n, n.Device.(compute.LayerStarter).StartLayer(n.ctx, attended, h, n.qkv[kind], cells, n.heads))
	requireSameBits(n, x, n.read(h), "the source of StartLayer")
	return n.read(attended)
}

func (n *pairNetwork) finish(tail compute.LayerTail, x, y []float32, lengths []int, layout bool) []float32 {
	h, attended := n.upload(total(lengths), n.width, x), n.upload(total(lengths), n.width, y)
	defer h.Free()
	defer attended.Free()
	var cells compute.Layout
	if layout {
		cells = n.layout(lengths...)
		defer cells.Free()
	}
	require.NoError(n, n.Device.(compute.LayerFinisher).FinishLayer(n.ctx, h, attended, cells, tail))
	requireSameBits(n, y, n.read(attended), "the source of FinishLayer")
	return n.read(h)
}

// testPairs holds weights for pairs of rows to what single rows give, and a cell's
// result to the same bytes wherever the cell stands.
func testPairs(t *testing.T, c Config) {
	first, _ := c.pair(t)
	if _, ok := first.Device.(compute.PairUploader); !ok {
		t.Skip("the device is no PairUploader")
	}
	for _, size := range []struct{ width, hidden, heads int }{
		{128, 256, 2}, {256, 128, 8}, {256, 256, 4}, {192, 160, 3}, {320, 64, 4}, {72, 40, 3},
	} {
		lengths := []int{61, 1, 14, 3, 130, 28, 2, 225, 33}
		count := total(lengths)
		x, y := numbers(30, count*size.width, 1), numbers(31, count*size.width, 1)
		var started, finished []float32
		for _, threads := range []int{1, 2, 7} {
			what := fmt.Sprintf("width %d, %d threads", size.width, threads)
			opened, err := c.Open(compute.Options{Threads: threads})
			n := newPairNetwork(newBench(t, opened, err), size.width, size.hidden, size.heads)
			a, b := n.start(paired, x, lengths), n.finish(n.tail[paired], x, y, lengths, true)
			if started == nil {
				started, finished = a, b
				// Scores of size width/4 and norms make the most of an error.
				c.requireClose(t, n.start(single, x, lengths), started, float64(size.width))
				c.requireClose(t, n.finish(n.tail[single], x, y, lengths, true), finished, float64(size.width))
			}
			requireSameBits(t, started, a, what+": StartLayer")
			requireSameBits(t, finished, b, what+": FinishLayer")

			alone := func(from int, lengths []int, what string) {
				to := from + total(lengths)
				from, to = from*n.width, to*n.width
				requireSameBits(t, started[from:to], n.start(paired, x[from:to], lengths), what+": StartLayer")
				requireSameBits(t, finished[from:to], n.finish(n.tail[paired], x[from:to], y[from:to], lengths, true), what+": FinishLayer")
			}
			from := 0
			for i, length := range lengths {
				alone(from, lengths[i:i+1], fmt.Sprintf("%s: cell %d alone", what, i))
				from += length
			}
			alone(lengths[0], lengths[1:], what+": without the first cell")

			// Where rows do not belong together they are multiplied one by one.
			rows := n.finish(n.tail[single], x, y, lengths, false)
			requireSameBits(t, rows, n.finish(n.tail[paired], x, y, lengths, false), what+": no layout")
			mixed := n.tail[paired]
			mixed.Up.Weight = n.tail[single].Up.Weight
			requireSameBits(t, rows, n.finish(mixed, x, y, lengths, true), what+": one matrix is not for pairs")
			n.requireSameLinear(t, x, what)
			require.Empty(t, n.start(paired, nil, nil), what)
			require.Empty(t, n.finish(n.tail[paired], nil, nil, nil, true), what)

			// A bias of zeros is none.
			zeros := n.qkv[paired]
			zeros.Bias = n.upload(1, 3*size.width, make([]float32, 3*size.width))
			n.qkv[single], n.qkv[paired].Bias = zeros, nil
			requireSameBits(t, n.start(single, x, lengths), n.start(paired, x, lengths), what+": no bias")
		}
	}
	var shape *compute.ShapeError
	_, err := first.Device.(compute.PairUploader).UploadPaired(2, 3, make([]float32, 7))
	require.ErrorAs(t, err, &shape)
	n := newPairNetwork(first, 128, 128, 2)
	require.ErrorAs(t, first.Device.(compute.LayerFinisher).FinishLayer(first.ctx, first.tensor(5, 128), first.tensor(5, 128), first.layout(2, 2), n.tail[paired]), &shape)
	foreign, _ := c.pair(t)
	require.ErrorAs(t, first.Device.(compute.LayerFinisher).FinishLayer(first.ctx, first.tensor(500, 128), first.tensor(500, 128), foreign.layout(500), n.tail[paired]), &shape)
	freed := first.layout(500)
	freed.Free()
	require.ErrorAs(t, first.Device.(compute.LayerFinisher).FinishLayer(first.ctx, first.tensor(500, 128), first.tensor(500, 128), freed, n.tail[paired]), &shape)
	require.ErrorAs(t, first.Device.(compute.LayerStarter).StartLayer(first.ctx, first.tensor(500, 128), first.tensor(500, 128), n.qkv[paired], freed, 2), &shape)
	requireEnds(t, first, func(b *bench) error {
		return b.Device.(compute.LayerFinisher).FinishLayer(b.ctx, b.tensor(500, 128), b.tensor(500, 128), b.layout(250, 250), n.tail[paired])
	})
}

// requireSameLinear checks that a matrix for pairs is like any for single rows, also
// where its content is mapped.
func (n *pairNetwork) requireSameLinear(t *testing.T, x []float32, what string) {
	rows := len(x) / n.width
	src, want := n.upload(rows, n.width, x), n.tensor(rows, 3*n.width)
	run := func(dst compute.Tensor, w compute.Matrix) error {
		return n.Linear(n.ctx, dst, src, w, n.qkv[single].Bias, compute.Identity)
	}
	got := n.tensor(rows, 3*n.width)
	require.NoError(t, errors.Join(run(want, n.qkv[single].Weight), run(got, n.qkv[paired].Weight)))
	requireSameBits(t, n.read(want), n.read(got), what+": Linear")
	sharer, ok := n.Device.(compute.Sharer)
	if !ok {
		return
	}
	content, err := sharer.MatrixContent(n.qkv[paired].Weight)
	require.NoError(t, err)
	mapped, err := sharer.MapMatrix(3*n.width, n.width, content)
	require.NoError(t, err)
	require.NoError(t, run(got, mapped))
	for _, wrong := range [][]float32{content[1:], append([]float32{0}, content...)} {
		_, err := sharer.MapMatrix(3*n.width, n.width, wrong)
		var shape *compute.ShapeError
		require.ErrorAs(t, err, &shape, "%s: content of %d numbers", what, len(wrong))
	}
	requireSameBits(t, n.read(want), n.read(got), what+": Linear, mapped")
	lengths := []int{rows}
	before := n.start(paired, x, lengths)
	own := n.qkv[paired]
	n.qkv[paired].Weight = mapped
	requireSameBits(t, before, n.start(paired, x, lengths), what+": StartLayer, mapped")
	n.qkv[paired] = own
}
