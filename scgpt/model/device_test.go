package model

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// probe is a device that counts what is alive on it, cuts batches where the
// test wants and fails or calls a hook at a chosen operation.
type probe struct {
	compute.Device
	batchTokens int
	alive       atomic.Int64
	operations  atomic.Int64
	at          int64 // the operation, from 1, before which hook is called
	hook        func() error
	// rows, if not 0, is how many rows of a tensor fit into memory; tooLarge
	// counts those that did not.
	rows     int
	tooLarge int
}

func newProbe(t testing.TB, name string) *probe {
	dev := openDevice(t, name, compute.Options{})
	p := &probe{Device: dev, batchTokens: dev.BatchTokens()}
	t.Cleanup(func() { require.Zero(t, p.alive.Load(), "tensors left on the device") })
	return p
}

func (p *probe) BatchTokens() int { return p.batchTokens }

func (p *probe) op() error {
	if p.operations.Add(1) == p.at {
		return p.hook()
	}
	return nil
}

// Handles are unwrapped on their way to the device.
type (
	probeTensor struct {
		compute.Tensor
		freed func()
	}
	probeMatrix struct {
		compute.Matrix
		freed func()
	}
	probeLayout struct {
		compute.Layout
		freed func()
	}
)

func (x *probeTensor) Free() { x.Tensor.Free(); x.freed() }
func (x *probeMatrix) Free() { x.Matrix.Free(); x.freed() }
func (x *probeLayout) Free() { x.Layout.Free(); x.freed() }

func (p *probe) born() (freed func()) {
	p.alive.Add(1)
	var once atomic.Bool
	return func() {
		if once.CompareAndSwap(false, true) {
			p.alive.Add(-1)
		}
	}
}

func bare(x compute.Tensor) compute.Tensor {
	if x == nil {
		return nil
	}
	return x.(*probeTensor).Tensor
}

func (p *probe) tensor(x compute.Tensor, err error) (compute.Tensor, error) {
	if err != nil {
		return nil, err
	}
	return &probeTensor{x, p.born()}, nil
}

func (p *probe) Upload(rows, cols int, data []float32) (compute.Tensor, error) {
	if err := p.op(); err != nil {
		return nil, err
	}
	return p.tensor(p.Device.Upload(rows, cols, data))
}

func (p *probe) NewTensor(rows, cols int) (compute.Tensor, error) {
	if err := p.op(); err != nil {
		return nil, err
	}
	if p.rows > 0 && rows > p.rows {
		p.tooLarge++
		return nil, &compute.OutOfMemoryError{Device: "probe", Need: int64(4 * rows * cols)}
	}
	return p.tensor(p.Device.NewTensor(rows, cols))
}

func (p *probe) UploadMatrix(out, in int, data []float32) (compute.Matrix, error) {
	if err := p.op(); err != nil {
		return nil, err
	}
	m, err := p.Device.UploadMatrix(out, in, data)
	if err != nil {
		return nil, err
	}
	return &probeMatrix{m, p.born()}, nil
}

func (p *probe) NewLayout(offsets []int32) (compute.Layout, error) {
	if err := p.op(); err != nil {
		return nil, err
	}
	l, err := p.Device.NewLayout(offsets)
	if err != nil {
		return nil, err
	}
	return &probeLayout{l, p.born()}, nil
}

func (p *probe) Embed(ctx context.Context, dst compute.Tensor, e compute.Embedding) error {
	e.Table, e.Values = bare(e.Table), bare(e.Values)
	return errors.Join(p.op(), p.Device.Embed(ctx, bare(dst), e))
}

func (p *probe) Linear(ctx context.Context, dst, src compute.Tensor, w compute.Matrix, bias compute.Tensor, act compute.Activation) error {
	return errors.Join(p.op(), p.Device.Linear(ctx, bare(dst), bare(src), w.(*probeMatrix).Matrix, bare(bias), act))
}

func (p *probe) Attention(ctx context.Context, dst, qkv compute.Tensor, cells compute.Layout, heads int) error {
	return errors.Join(p.op(), p.Device.Attention(ctx, bare(dst), bare(qkv), cells.(*probeLayout).Layout, heads))
}

func (p *probe) AttentionFirst(ctx context.Context, dst, q, kv compute.Tensor, cells compute.Layout, heads int) error {
	return errors.Join(p.op(), p.Device.AttentionFirst(ctx, bare(dst), bare(q), bare(kv), cells.(*probeLayout).Layout, heads))
}

// What a device of the same class does beside what all do is part of its bytes.

func (p *probe) AttendInputs(ctx context.Context, dst, queries, src compute.Tensor, cells compute.Layout, scale float32) error {
	return errors.Join(p.op(), p.Device.(compute.InputAttender).AttendInputs(ctx, bare(dst), bare(queries), bare(src), cells.(*probeLayout).Layout, scale))
}

func (p *probe) Project(table compute.Tensor, w compute.Matrix) (compute.Tensor, error) {
	if err := p.op(); err != nil {
		return nil, err
	}
	return p.tensor(p.Device.(compute.Projector).Project(bare(table), w.(*probeMatrix).Matrix))
}

func (p *probe) AttentionScores(ctx context.Context, dst, qkv compute.Tensor, from, to, heads int) error {
	return errors.Join(p.op(), p.Device.AttentionScores(ctx, bare(dst), bare(qkv), from, to, heads))
}

func (p *probe) AddLayerNorm(ctx context.Context, dst, a, b compute.Tensor, n compute.Norm) error {
	n.Gamma, n.Beta = bare(n.Gamma), bare(n.Beta)
	return errors.Join(p.op(), p.Device.AddLayerNorm(ctx, bare(dst), bare(a), bare(b), n))
}

func (p *probe) Normalize(ctx context.Context, dst, src, mean, scale, shift compute.Tensor) error {
	return errors.Join(p.op(), p.Device.Normalize(ctx, bare(dst), bare(src), bare(mean), bare(scale), bare(shift)))
}

func (p *probe) Pool(ctx context.Context, dst, src compute.Tensor, cells compute.Layout, weights []float32) error {
	return errors.Join(p.op(), p.Device.Pool(ctx, bare(dst), bare(src), cells.(*probeLayout).Layout, weights))
}

func (p *probe) Dot(ctx context.Context, dst, a, b compute.Tensor, cells compute.Layout) error {
	return errors.Join(p.op(), p.Device.Dot(ctx, bare(dst), bare(a), bare(b), cells.(*probeLayout).Layout))
}

func (p *probe) Read(ctx context.Context, dst []float32, src compute.Tensor) error {
	return errors.Join(p.op(), p.Device.Read(ctx, dst, bare(src)))
}
