package computetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// testFinishLayer compares the one operation with the steps that it stands
// for, of which the other tests are the judges.
func testFinishLayer(t *testing.T, c Config) {
	dev, _ := c.pair(t)
	finisher, ok := dev.Device.(compute.LayerFinisher)
	if !ok {
		t.Skip("the device is no LayerFinisher")
	}
	for _, size := range []struct{ d, hidden, attended int }{{64, 96, 64}, {40, 25, 40}, {24, 48, 120}} {
		d, hidden, wide := size.d, size.hidden, size.attended
		linear := func(seed uint64, out, in int) compute.Linear {
			return compute.Linear{Weight: dev.matrix(out, in, numbers(seed, out*in, 0.125)), Bias: dev.upload(1, out, numbers(seed+1, out, 0.1))}
		}
		norm := func(seed uint64) compute.Norm {
			return compute.Norm{Gamma: dev.upload(1, d, numbers(seed, d, 1)), Beta: dev.upload(1, d, numbers(seed+1, d, 0.1)), Eps: 1e-5}
		}
		tail := compute.LayerTail{Out: linear(1, d, wide), Up: linear(3, hidden, d), Down: linear(5, d, hidden), Norm1: norm(7), Norm2: norm(9)}
		unbiased := tail
		unbiased.Up.Bias, unbiased.Down.Bias = nil, nil
		for _, rows := range []int{0, 1, 3, 57, 333} {
			for name, l := range map[string]compute.LayerTail{"biased": tail, "unbiased": unbiased} {
				x, attended := numbers(11, rows*d, 1), numbers(12, rows*wide, 1)
				h, want, source := dev.upload(rows, d, x), dev.upload(rows, d, x), dev.upload(rows, wide, attended)
				require.NoError(t, finisher.FinishLayer(dev.ctx, h, source, nil, l))
				step, mid := dev.tensor(rows, d), dev.tensor(rows, hidden)
				require.NoError(t, errors.Join(
					dev.Linear(dev.ctx, step, source, l.Out.Weight, l.Out.Bias, compute.Identity),
					dev.AddLayerNorm(dev.ctx, want, want, step, l.Norm1),
					dev.Linear(dev.ctx, mid, want, l.Up.Weight, l.Up.Bias, compute.ReLU),
					dev.Linear(dev.ctx, step, mid, l.Down.Weight, l.Down.Bias, compute.Identity),
					dev.AddLayerNorm(dev.ctx, want, want, step, l.Norm2)))
				requireSameBits(t, dev.read(want), dev.read(h), fmt.Sprintf("%d rows, %s", rows, name))
				requireSameBits(t, attended, dev.read(source), "the source")
			}
		}

		h, source := dev.upload(3, d, numbers(1, 3*d, 1)), dev.upload(3, wide, numbers(2, 3*wide, 1))
		narrow := tail
		narrow.Down = linear(13, d, hidden+1)
		wrongNorm := tail
		wrongNorm.Norm2.Gamma = dev.upload(1, d+1, numbers(1, d+1, 1))
		wrongBias := tail
		wrongBias.Up.Bias = wrongNorm.Norm2.Gamma
		var shape *compute.ShapeError
		require.ErrorAs(t, finisher.FinishLayer(dev.ctx, h, h, nil, tail), &shape)
		require.ErrorAs(t, finisher.FinishLayer(dev.ctx, h, nil, nil, tail), &shape)
		require.ErrorAs(t, finisher.FinishLayer(dev.ctx, h, dev.tensor(4, wide), nil, tail), &shape)
		require.ErrorAs(t, finisher.FinishLayer(dev.ctx, h, source, nil, compute.LayerTail{}), &shape)
		require.ErrorAs(t, finisher.FinishLayer(dev.ctx, h, source, nil, narrow), &shape)
		require.ErrorAs(t, finisher.FinishLayer(dev.ctx, h, source, nil, wrongNorm), &shape)
		require.ErrorAs(t, finisher.FinishLayer(dev.ctx, h, source, nil, wrongBias), &shape)
		ctx, cancel := context.WithCancelCause(dev.ctx)
		cause := errors.New("stop")
		cancel(cause)
		require.ErrorIs(t, finisher.FinishLayer(ctx, h, source, nil, tail), cause)
		many := dev.tensor(500, d)
		require.ErrorAs(t, finisher.FinishLayer(dev.ctx, h, dev.tensor(3, wide+1), nil, tail), &shape)
		source.Free()
		require.ErrorAs(t, finisher.FinishLayer(dev.ctx, h, source, nil, tail), &shape)
		require.ErrorAs(t, finisher.FinishLayer(dev.ctx, many, many, nil, tail), &shape)
	}
}
