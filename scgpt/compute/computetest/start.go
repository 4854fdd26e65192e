package computetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// testStartLayer compares the one operation with the steps that it stands for, of
// which the other tests are the judges.
func testStartLayer(t *testing.T, c Config) {
	for _, threads := range []int{1, 3} {
		opened, err := c.Open(compute.Options{Threads: threads})
		dev := newBench(t, opened, err)
		starter, ok := dev.Device.(compute.LayerStarter)
		if !ok {
			t.Skip("the device is no LayerStarter")
		}
		for _, s := range []struct {
			lengths          []int
			in, width, heads int
		}{
			{[]int{5}, 12, 12, 3}, {[]int{1, 1, 1, 1, 1, 1, 2}, 40, 64, 2}, {[]int{130, 61, 300, 33, 112, 113}, 64, 128, 4},
			{[]int{33, 700, 224, 31, 32, 97}, 37, 128, 2}, {[]int{300, 20, 70, 7}, 33, 96, 3}, {nil, 8, 32, 1},
		} {
			what := fmt.Sprintf("%v %d to %d/%d, %d threads", s.lengths, s.in, s.width, s.heads, threads)
			n, wide := total(s.lengths), 3*s.width
			h, l := dev.upload(n, s.in, numbers(1, n*s.in, 1)), dev.layout(s.lengths...)
			qkv := compute.Linear{Weight: dev.matrix(wide, s.in, numbers(2, wide*s.in, 0.125)), Bias: dev.upload(1, wide, numbers(3, wide, 0.1))}
			for _, bias := range []compute.Tensor{qkv.Bias, nil} {
				qkv.Bias = bias
				projected, want, got := dev.tensor(n, wide), dev.tensor(n, s.width), dev.tensor(n, s.width)
				require.NoError(t, errors.Join(
					dev.Linear(dev.ctx, projected, h, qkv.Weight, qkv.Bias, compute.Identity),
					dev.Attention(dev.ctx, want, projected, l, s.heads),
					starter.StartLayer(dev.ctx, got, h, qkv, l, s.heads)), what)
				requireSameBits(t, dev.read(want), dev.read(got), what)
			}
		}

		h, l, attended := dev.tensor(5, 8), dev.layout(3, 2), dev.tensor(5, 16)
		qkv := compute.Linear{Weight: dev.matrix(48, 8, make([]float32, 48*8))}
		freed := dev.tensor(5, 8)
		freed.Free()
		for name, run := range map[string]func() error{
			"rows":        func() error { return starter.StartLayer(dev.ctx, attended, dev.tensor(6, 8), qkv, l, 2) },
			"destination": func() error { return starter.StartLayer(dev.ctx, dev.tensor(6, 16), h, qkv, l, 2) },
			"layout":      func() error { return starter.StartLayer(dev.ctx, attended, h, qkv, dev.layout(3, 3), 2) },
			"input":       func() error { return starter.StartLayer(dev.ctx, attended, dev.tensor(5, 9), qkv, l, 2) },
			"output":      func() error { return starter.StartLayer(dev.ctx, dev.tensor(5, 17), h, qkv, l, 1) },
			"heads":       func() error { return starter.StartLayer(dev.ctx, attended, h, qkv, l, 3) },
			"nil":         func() error { return starter.StartLayer(dev.ctx, attended, h, compute.Linear{}, l, 2) },
			"in place":    func() error { return starter.StartLayer(dev.ctx, h, h, qkv, l, 2) },
			"freed":       func() error { return starter.StartLayer(dev.ctx, attended, freed, qkv, l, 2) },
			"bias": func() error {
				return starter.StartLayer(dev.ctx, attended, h, compute.Linear{Weight: qkv.Weight, Bias: dev.tensor(1, 47)}, l, 2)
			},
		} {
			var shape *compute.ShapeError
			require.ErrorAs(t, run(), &shape, name)
		}
		requireEnds(t, dev, func(b *bench) error { return starter.StartLayer(b.ctx, attended, h, qkv, l, 2) })
	}
}
