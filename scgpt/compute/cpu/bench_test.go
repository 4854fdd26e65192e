package cpu

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

// BenchmarkOperations runs what a forward pass of the full-size model is made of,
// on one thread, for two cells of 1,000 tokens.
func BenchmarkOperations(b *testing.B) {
	const cells, tokens, d, heads = 2, 1000, 512, 8
	const n = cells * tokens
	for _, set := range kernel.Sets() {
		if set == kernel.Generic {
			continue // it is not for speed
		}
		dev := newDevice(set, runtime.GOMAXPROCS(0))
		tensor := func(rows, cols int) compute.Tensor {
			x, err := dev.Upload(rows, cols, make([]float32, rows*cols))
			require.NoError(b, err)
			return x
		}
		linear := func(out, in int) compute.Linear {
			w, err := dev.UploadPaired(out, in, make([]float32, out*in))
			require.NoError(b, err)
			return compute.Linear{Weight: w, Bias: tensor(1, out)}
		}
		layout, err := dev.NewLayout([]int32{0, tokens, n})
		require.NoError(b, err)
		h, attended, qkv := tensor(n, d), tensor(n, d), tensor(n, 3*d)
		project := linear(3*d, d)
		norm := compute.Norm{Gamma: tensor(1, d), Beta: tensor(1, d), Eps: 1e-5}
		tail := compute.LayerTail{Out: linear(d, d), Up: linear(d, d), Down: linear(d, d), Norm1: norm, Norm2: norm}
		for _, op := range []struct {
			name  string
			flops float64
			run   func(context.Context) error
		}{
			{"Linear", 2 * n * 3 * d * d, func(ctx context.Context) error {
				return dev.Linear(ctx, qkv, h, project.Weight, project.Bias, compute.Identity)
			}},
			{"Attention", cells * 4 * tokens * tokens * d, func(ctx context.Context) error { return dev.Attention(ctx, attended, qkv, layout, heads) }},
			{"StartLayer", 2*n*3*d*d + cells*4*tokens*tokens*d, func(ctx context.Context) error {
				return dev.StartLayer(ctx, attended, h, project, layout, heads)
			}},
			{"FinishLayer", 3 * 2 * n * d * d, func(ctx context.Context) error { return dev.FinishLayer(ctx, h, attended, layout, tail) }},
		} {
			b.Run(fmt.Sprintf("%s/%s/%s", set.Name, set.Precision, op.name), func(b *testing.B) {
				for b.Loop() {
					require.NoError(b, op.run(b.Context()))
				}
				b.ReportMetric(op.flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GF/s")
			})
		}
		require.NoError(b, dev.Close())
	}
}
