package computetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// operation is one call of every kind, on tensors that fit; zero rows make an
// empty batch.
type operation struct {
	name string
	dst  compute.Tensor
	run  func(context.Context) error
}

func operations(b *bench, lengths ...int) []operation {
	const d, heads = 16, 2
	n, cells := total(lengths), len(lengths)
	table, vector, wide := b.upload(5, d, numbers(1, 5*d, 1)), b.upload(1, d, numbers(2, d, 1)), b.upload(n, 3*d, numbers(3, n*3*d, 1))
	x, kv, y := b.upload(n, d, numbers(4, n*d, 1)), b.upload(n, 2*d, numbers(5, n*2*d, 1)), b.upload(cells, d, numbers(6, cells*d, 1))
	w, l := b.matrix(d, d, numbers(7, d*d, 1)), b.layout(lengths...)
	filled := func(rows, cols int) compute.Tensor { return b.upload(rows, cols, numbers(8, rows*cols, 1)) }
	byToken, byCell, scalars := filled(n, d), filled(cells, d), filled(n, 1)
	ops := []operation{
		{"Embed", byToken, func(ctx context.Context) error {
			return b.Embed(ctx, byToken, compute.Embedding{Table: table, IDs: make([]int32, n)})
		}},
		{"Linear", byToken, func(ctx context.Context) error { return b.Linear(ctx, byToken, x, w, vector, compute.ReLU) }},
		{"Attention", byToken, func(ctx context.Context) error { return b.Attention(ctx, byToken, wide, l, heads) }},
		{"AttentionFirst", byCell, func(ctx context.Context) error { return b.AttentionFirst(ctx, byCell, y, kv, l, heads) }},
		{"AddLayerNorm", byToken, func(ctx context.Context) error {
			return b.AddLayerNorm(ctx, byToken, x, x, compute.Norm{Gamma: vector, Beta: vector, Eps: 1e-5})
		}},
		{"Normalize", byToken, func(ctx context.Context) error { return b.Normalize(ctx, byToken, x, vector, vector, vector) }},
		{"Pool", byCell, func(ctx context.Context) error { return b.Pool(ctx, byCell, x, l, make([]float32, n)) }},
		{"Dot", scalars, func(ctx context.Context) error { return b.Dot(ctx, scalars, x, y, l) }},
		{"Read", x, func(ctx context.Context) error { return b.Read(ctx, make([]float32, n*d), x) }},
	}
	if n > 0 {
		scores := filled(heads*n, n)
		ops = append(ops, operation{"AttentionScores", scores, func(ctx context.Context) error {
			return b.AttentionScores(ctx, scores, wide, 0, n, heads)
		}})
	}
	return ops
}

func testEmpty(t *testing.T, c Config) {
	dev, _ := c.pair(t)
	for _, op := range operations(dev) {
		require.NoError(t, op.run(t.Context()), op.name)
		require.Empty(t, dev.read(op.dst), op.name)
	}
}

func testCancellation(t *testing.T, c Config) {
	dev, _ := c.pair(t)
	cause := errors.New("enough")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for _, op := range operations(dev, 5, 3) {
		before := dev.read(op.dst)
		require.ErrorIs(t, op.run(cancelled), cause, op.name)
		requireSameBits(t, before, dev.read(op.dst), op.name+" under an ended context")
	}

	// A context that ends while the device works. What is asked for would
	// take seconds at the least, minutes on a slow device; a busy machine may
	// stretch the 100 ms that are promised.
	const d = 64
	n := c.LongCell
	wide, dst, l := dev.tensor(n, 3*d), dev.tensor(n, d), dev.layout(n)
	require.NoError(t, dev.Embed(t.Context(), wide, compute.Embedding{Table: dev.upload(1, 3*d, numbers(1, 3*d, 1)), IDs: make([]int32, n)}))
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	var ended time.Time
	timer := time.AfterFunc(20*time.Millisecond, func() {
		ended = time.Now()
		stop(cause)
	})
	defer timer.Stop()
	var err error
	for err == nil {
		err = dev.Attention(ctx, dst, wide, l, 1)
	}
	require.ErrorIs(t, err, cause)
	<-ctx.Done()
	require.Less(t, time.Since(ended), 3*time.Second)
	for _, op := range operations(dev, 5, 3) {
		require.NoError(t, op.run(t.Context()), "%s after a cancelled operation", op.name)
	}
}

func testClose(t *testing.T, c Config) {
	opened, err := c.Open(compute.Options{})
	require.NoError(t, err)
	require.NotEmpty(t, opened.Class())
	require.Positive(t, opened.BatchTokens())
	b := &bench{t, opened, t.Context()}
	ops := operations(b, 5, 3)
	require.NoError(t, opened.Close())
	require.NoError(t, opened.Close())
	for _, op := range ops {
		require.Error(t, op.run(t.Context()), "%s after Close", op.name)
	}
	_, err = opened.Upload(1, 1, []float32{1})
	require.Error(t, err)
	_, err = opened.UploadMatrix(1, 1, []float32{1})
	require.Error(t, err)
	_, err = opened.NewTensor(1, 1)
	require.Error(t, err)
	_, err = opened.NewLayout([]int32{0, 1})
	require.Error(t, err)
}

func testConcurrency(t *testing.T, c Config) {
	dev, _ := c.pair(t)
	n := newNetwork(dev)
	lengths := []int{40, 7, 29}
	count := total(lengths)
	const callers = 6
	batch := func(i int) (ids, bins []int32) {
		return indices(uint64(100+i), count, networkGenes), indices(uint64(200+i), count, networkValues)
	}
	var want [callers]results
	for i := range callers {
		ids, bins := batch(i)
		var err error
		want[i], err = n.run(ids, bins, lengths)
		require.NoError(t, err)
	}
	var got [callers]results
	var errs [callers]error
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			ids, bins := batch(i)
			for range 3 {
				if got[i], errs[i] = n.run(ids, bins, lengths); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	for i := range callers {
		require.NoError(t, errs[i])
		requireSameResults(t, want[i], got[i], 0, 0, "several callers")
	}
}

func testSequence(t *testing.T, c Config) {
	dev, _ := c.pair(t)
	require.Positive(t, compute.InFlight(dev.Device))
	alone, sequence := operations(dev, 5, 3), operations(dev, 5, 3)
	for _, op := range alone {
		require.NoError(t, op.run(t.Context()), op.name)
	}
	whole := dev.Device
	var kept compute.Device
	require.NoError(t, compute.Sequence(t.Context(), whole, func(inner compute.Device) error {
		kept, dev.Device = inner, inner
		for _, op := range sequence {
			if op.name == "Read" {
				continue
			}
			if err := op.run(t.Context()); err != nil {
				return err
			}
		}
		x, err := inner.NewTensor(300, 64)
		if err == nil {
			x.Free()
		}
		return err
	}))
	dev.Device = whole
	for i, op := range alone {
		requireSameBits(t, dev.read(op.dst), dev.read(sequence[i].dst), op.name+" in a sequence")
	}
	_, err := kept.Upload(1, 1, []float32{1})
	require.NoError(t, err, "what a sequence was given, afterwards")

	cause := errors.New("enough")
	require.ErrorIs(t, compute.Sequence(t.Context(), whole, func(compute.Device) error { return cause }), cause)
	ctx, cancel := context.WithCancelCause(t.Context())
	require.ErrorIs(t, compute.Sequence(ctx, whole, func(compute.Device) error {
		cancel(cause)
		return alone[0].run(ctx)
	}), cause)
}

func testForeignAndFreed(t *testing.T, c Config) {
	dev, judge := c.pair(t)
	opened, err := c.Open(compute.Options{})
	other := newBench(t, opened, err)
	requireShapeError := func(err error, what string) {
		t.Helper()
		var shape *compute.ShapeError
		require.ErrorAs(t, err, &shape, what)
	}
	for _, stranger := range []*bench{judge, other} {
		x := stranger.upload(3, 4, numbers(1, 12, 1))
		y := dev.upload(3, 4, numbers(1, 12, 1))
		requireShapeError(dev.Read(t.Context(), make([]float32, 12), x), "Read of another device's tensor")
		requireShapeError(dev.Embed(t.Context(), y, compute.Embedding{Table: x, IDs: make([]int32, 3)}), "another device's table")
		requireShapeError(dev.Linear(t.Context(), dev.tensor(3, 2), y, stranger.matrix(2, 4, numbers(2, 8, 1)), nil, compute.Identity), "another device's matrix")
		requireShapeError(dev.Pool(t.Context(), dev.tensor(1, 4), y, stranger.layout(3), make([]float32, 3)), "another device's layout")
	}
	x, w, l := dev.upload(3, 4, numbers(1, 12, 1)), dev.matrix(2, 4, numbers(2, 8, 1)), dev.layout(3)
	y := dev.upload(3, 4, numbers(1, 12, 1))
	w.Free()
	w.Free()
	l.Free()
	l.Free()
	requireShapeError(dev.Linear(t.Context(), dev.tensor(3, 2), y, w, nil, compute.Identity), "freed matrix")
	requireShapeError(dev.Pool(t.Context(), dev.tensor(1, 4), y, l, make([]float32, 3)), "freed layout")
	x.Free()
	x.Free()
	requireShapeError(dev.Read(t.Context(), make([]float32, 12), x), "freed tensor")
	requireShapeError(dev.Embed(t.Context(), x, compute.Embedding{Table: y, IDs: make([]int32, 3)}), "freed destination")
}
