package model

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// scope runs operations one after another until one fails, and frees the
// tensors of a computation at its end.
type scope struct {
	ctx     context.Context
	dev     compute.Device
	handles []interface{ Free() }
	err     error
}

func newScope(ctx context.Context, dev compute.Device) *scope { return &scope{ctx: ctx, dev: dev} }

func (s *scope) do(op func() error) {
	if s.err == nil {
		s.err = op()
	}
}

// sequence runs operations that the device takes in one go; f must not read.
func (s *scope) sequence(f func()) {
	dev := s.dev
	s.do(func() error {
		return compute.Sequence(s.ctx, dev, func(inner compute.Device) error {
			s.dev = inner
			defer func() { s.dev = dev }()
			f()
			return s.err
		})
	})
}

func (s *scope) tensor(rows, cols int) compute.Tensor {
	if s.err != nil {
		return nil
	}
	var t compute.Tensor
	if t, s.err = s.dev.NewTensor(rows, cols); s.err != nil {
		return nil
	}
	s.handles = append(s.handles, t)
	return t
}

func (s *scope) upload(rows, cols int, data []float32) compute.Tensor {
	if s.err != nil {
		return nil
	}
	var t compute.Tensor
	if t, s.err = s.dev.Upload(rows, cols, data); s.err != nil {
		return nil
	}
	s.handles = append(s.handles, t)
	return t
}

func (s *scope) layout(offsets []int32) compute.Layout {
	if s.err != nil {
		return nil
	}
	var l compute.Layout
	if l, s.err = s.dev.NewLayout(offsets); s.err != nil {
		return nil
	}
	s.handles = append(s.handles, l)
	return l
}

// linear returns act(src·wᵀ + b) in a new tensor.
func (s *scope) linear(src compute.Tensor, w linear, act compute.Activation) compute.Tensor {
	if s.err != nil {
		return nil
	}
	dst := s.tensor(src.Rows(), w.Weight.Out())
	s.linearInto(dst, src, w, act)
	return dst
}

func (s *scope) linearInto(dst, src compute.Tensor, w linear, act compute.Activation) {
	s.do(func() error { return s.dev.Linear(s.ctx, dst, src, w.Weight, w.Bias, act) })
}

// gather returns rows of a table in a new tensor.
func (s *scope) gather(table compute.Tensor, ids []int32) compute.Tensor {
	if s.err != nil {
		return nil
	}
	dst := s.tensor(len(ids), table.Cols())
	s.do(func() error { return s.dev.Embed(s.ctx, dst, compute.Embedding{Table: table, IDs: ids}) })
	return dst
}

// read copies a tensor to dst.
func (s *scope) read(dst []float32, src compute.Tensor) {
	s.do(func() error { return s.dev.Read(s.ctx, dst, src) })
}

// release frees tensors before the end, for those that follow.
func (s *scope) release(tensors ...compute.Tensor) {
	if s.err != nil {
		return
	}
	for _, t := range tensors {
		t.Free()
	}
}

// keep hands a tensor to the caller, who frees it.
func (s *scope) keep(t compute.Tensor) (compute.Tensor, error) {
	if s.err != nil {
		return nil, s.err
	}
	for i, h := range s.handles {
		if h == t {
			s.handles = append(s.handles[:i], s.handles[i+1:]...)
			break
		}
	}
	return t, nil
}

func (s *scope) free() {
	for _, h := range s.handles {
		h.Free()
	}
	s.handles = nil
}
