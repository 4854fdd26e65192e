package computetest

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func testBadShapes(t *testing.T, c Config) {
	dev, _ := c.pair(t)
	const d = 12
	ctx := t.Context()
	tensor := func(rows, cols int) compute.Tensor { return dev.upload(rows, cols, numbers(1, rows*cols, 1)) }
	x, y, out, wide, cells, kv := tensor(5, d), tensor(5, d), tensor(5, d), tensor(5, 3*d), tensor(2, d), tensor(5, 2*d)
	byCell, column, vector, w, l := tensor(2, d), tensor(5, 1), tensor(1, d), dev.matrix(d, d, numbers(2, d*d, 1)), dev.layout(3, 2)
	norm := compute.Norm{Gamma: vector, Beta: vector, Eps: 1e-5}
	scores := tensor(2*5, 5)
	ids := func(v ...int32) []int32 { return v }
	embed := func(e compute.Embedding) func(context.Context) error {
		return func(ctx context.Context) error { return dev.Embed(ctx, out, e) }
	}
	linear := func(dst, src compute.Tensor, w compute.Matrix, bias compute.Tensor, act compute.Activation) func(context.Context) error {
		return func(ctx context.Context) error { return dev.Linear(ctx, dst, src, w, bias, act) }
	}
	for name, run := range map[string]func(context.Context) error{
		"Embed nil table":             embed(compute.Embedding{IDs: make([]int32, 5)}),
		"Embed few ids":               embed(compute.Embedding{Table: x, IDs: make([]int32, 4)}),
		"Embed id too large":          embed(compute.Embedding{Table: x, IDs: ids(0, 1, 2, 3, 5)}),
		"Embed negative id":           embed(compute.Embedding{Table: x, IDs: ids(0, 1, 2, 3, -1)}),
		"Embed other width":           embed(compute.Embedding{Table: wide, IDs: make([]int32, 5)}),
		"Embed into its table":        embed(compute.Embedding{Table: out, IDs: make([]int32, 5)}),
		"Embed value row too large":   embed(compute.Embedding{Table: x, IDs: make([]int32, 5), Values: y, Rows: ids(0, 0, 0, 0, 5)}),
		"Embed no value rows":         embed(compute.Embedding{Table: x, IDs: make([]int32, 5), Values: y}),
		"Embed other value width":     embed(compute.Embedding{Table: x, IDs: make([]int32, 5), Values: wide, Rows: make([]int32, 5)}),
		"Embed values and scale":      embed(compute.Embedding{Table: x, IDs: make([]int32, 5), Values: y, Rows: make([]int32, 5), Scale: make([]float32, 5)}),
		"Embed few factors":           embed(compute.Embedding{Table: x, IDs: make([]int32, 5), Scale: make([]float32, 4)}),
		"Linear in place":             linear(x, x, w, nil, compute.Identity),
		"Linear nil weights":          linear(out, x, nil, nil, compute.Identity),
		"Linear other source width":   linear(out, wide, w, nil, compute.Identity),
		"Linear other rows":           linear(byCell, x, w, nil, compute.Identity),
		"Linear other width":          linear(wide, x, w, nil, compute.Identity),
		"Linear wrong bias":           linear(out, x, w, column, compute.Identity),
		"Linear unknown activation":   linear(out, x, w, nil, 99),
		"Linear negative activation":  linear(out, x, w, nil, -1),
		"Attention other rows":        func(ctx context.Context) error { return dev.Attention(ctx, byCell, wide, l, 3) },
		"Attention other width":       func(ctx context.Context) error { return dev.Attention(ctx, out, kv, l, 3) },
		"Attention heads":             func(ctx context.Context) error { return dev.Attention(ctx, out, wide, l, 5) },
		"Attention no heads":          func(ctx context.Context) error { return dev.Attention(ctx, out, wide, l, 0) },
		"Attention other layout":      func(ctx context.Context) error { return dev.Attention(ctx, out, wide, dev.layout(3, 3), 3) },
		"Attention nil layout":        func(ctx context.Context) error { return dev.Attention(ctx, out, wide, nil, 3) },
		"AttentionFirst other cells":  func(ctx context.Context) error { return dev.AttentionFirst(ctx, byCell, x, kv, l, 3) },
		"AttentionFirst other tokens": func(ctx context.Context) error { return dev.AttentionFirst(ctx, byCell, cells, wide, l, 3) },
		"AttentionFirst in place":     func(ctx context.Context) error { return dev.AttentionFirst(ctx, cells, cells, kv, l, 3) },
		"AttentionFirst heads":        func(ctx context.Context) error { return dev.AttentionFirst(ctx, byCell, cells, kv, l, -1) },
		"AttentionScores range":       func(ctx context.Context) error { return dev.AttentionScores(ctx, scores, wide, 0, 6, 2) },
		"AttentionScores no range":    func(ctx context.Context) error { return dev.AttentionScores(ctx, scores, wide, 3, 3, 2) },
		"AttentionScores below 0":     func(ctx context.Context) error { return dev.AttentionScores(ctx, scores, wide, -1, 4, 2) },
		"AttentionScores size":        func(ctx context.Context) error { return dev.AttentionScores(ctx, scores, wide, 0, 4, 2) },
		"AttentionScores width":       func(ctx context.Context) error { return dev.AttentionScores(ctx, scores, column, 0, 5, 1) },
		"AddLayerNorm shapes":         func(ctx context.Context) error { return dev.AddLayerNorm(ctx, out, wide, nil, norm) },
		"AddLayerNorm second":         func(ctx context.Context) error { return dev.AddLayerNorm(ctx, out, x, wide, norm) },
		"AddLayerNorm no norm":        func(ctx context.Context) error { return dev.AddLayerNorm(ctx, out, x, nil, compute.Norm{}) },
		"AddLayerNorm eps": func(ctx context.Context) error {
			return dev.AddLayerNorm(ctx, out, x, nil, compute.Norm{Gamma: vector, Beta: vector, Eps: float32(math.NaN())})
		},
		"Normalize shapes":  func(ctx context.Context) error { return dev.Normalize(ctx, out, wide, vector, vector, vector) },
		"Normalize vectors": func(ctx context.Context) error { return dev.Normalize(ctx, out, x, vector, column, vector) },
		"Pool weights":      func(ctx context.Context) error { return dev.Pool(ctx, byCell, x, l, make([]float32, 4)) },
		"Pool cells":        func(ctx context.Context) error { return dev.Pool(ctx, out, x, l, make([]float32, 5)) },
		"Dot tokens":        func(ctx context.Context) error { return dev.Dot(ctx, column, cells, byCell, l) },
		"Dot width":         func(ctx context.Context) error { return dev.Dot(ctx, column, wide, cells, l) },
		"Dot destination":   func(ctx context.Context) error { return dev.Dot(ctx, out, x, cells, l) },
		"Read short":        func(ctx context.Context) error { return dev.Read(ctx, make([]float32, 5*d-1), x) },
		"Read long":         func(ctx context.Context) error { return dev.Read(ctx, make([]float32, 5*d+1), x) },
		"Read nil":          func(ctx context.Context) error { return dev.Read(ctx, nil, nil) },
		"Upload short":      func(context.Context) error { _, err := dev.Upload(2, 3, make([]float32, 5)); return err },
		"Upload negative":   func(context.Context) error { _, err := dev.Upload(-2, -3, make([]float32, 6)); return err },
		"Upload no columns": func(context.Context) error { _, err := dev.Upload(2, 0, nil); return err },
		"UploadMatrix long": func(context.Context) error { _, err := dev.UploadMatrix(2, 3, make([]float32, 7)); return err },
		"UploadMatrix none": func(context.Context) error { _, err := dev.UploadMatrix(0, 3, nil); return err },
		"NewTensor negative": func(context.Context) error {
			_, err := dev.NewTensor(-1, 3)
			return err
		},
		"NewTensor overflow": func(context.Context) error { _, err := dev.NewTensor(math.MaxInt/2, 3); return err },
		"NewLayout nothing":  func(context.Context) error { _, err := dev.NewLayout(nil); return err },
		"NewLayout start":    func(context.Context) error { _, err := dev.NewLayout([]int32{1, 2}); return err },
		"NewLayout empty":    func(context.Context) error { _, err := dev.NewLayout([]int32{0, 2, 2}); return err },
		"NewLayout falling":  func(context.Context) error { _, err := dev.NewLayout([]int32{0, 2, 1}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			var shape *compute.ShapeError
			require.ErrorAs(t, run(ctx), &shape)
			require.NotEmpty(t, shape.Op)
			for _, dst := range []compute.Tensor{x, out, wide, cells, byCell, column, scores} {
				requireSameBits(t, numbers(1, dst.Rows()*dst.Cols(), 1), dev.read(dst), "a destination")
			}
		})
	}
}
