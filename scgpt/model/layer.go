package model

import (
	"fmt"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// layer is one post-norm transformer layer with ReLU.
type layer struct {
	qkv, out, ff1, ff2 linear
	norm1, norm2       compute.Norm

	// The input projection once more in two parts, in the last layer alone:
	// when only first tokens are wanted, only they need queries.
	q, kv linear
}

func loadLayer(l *loader, args checkpoint.Args, i int) layer {
	d := args.EmbSize
	name := fmt.Sprintf("transformer_encoder.layers.%d.", i)
	var y layer
	y.qkv = l.linear(name+"self_attn.Wqkv", 3*d, d)
	if i == args.NLayers-1 {
		weight, bias := l.host(name+"self_attn.Wqkv.weight", 3*d, d), l.host(name+"self_attn.Wqkv.bias", 3*d)
		if l.err != nil {
			return y
		}
		y.q = linear{Weight: l.uploadMatrix(d, d, weight[:d*d]), Bias: l.upload(1, d, bias[:d])}
		y.kv = linear{Weight: l.uploadMatrix(2*d, d, weight[d*d:]), Bias: l.upload(1, 2*d, bias[d:])}
	}
	y.out = l.linear(name+"self_attn.out_proj", d, d)
	y.norm1 = l.norm(name+"norm1", d)
	y.ff1 = l.linear(name+"linear1", args.DHid, d)
	y.ff2 = l.linear(name+"linear2", d, args.DHid)
	y.norm2 = l.norm(name+"norm2", d)
	return y
}

// workspace is the memory that all layers share, for one batch.
type workspace struct {
	qkv, attended compute.Tensor
	// What a device that finishes layers itself has no use for.
	projected, hidden compute.Tensor
}

func newWorkspace(s *scope, tokens int, args checkpoint.Args) workspace {
	d := args.EmbSize
	w := workspace{qkv: s.tensor(tokens, 3*d), attended: s.tensor(tokens, d)}
	w.addSteps(s, tokens, d, args.DHid)
	return w
}

func (w *workspace) addSteps(s *scope, tokens, d, hidden int) {
	if _, ok := s.dev.(compute.LayerFinisher); !ok {
		w.projected, w.hidden = s.tensor(tokens, d), s.tensor(tokens, hidden)
	}
}

func (w *workspace) release(s *scope) {
	s.release(w.qkv, w.attended)
	if w.hidden != nil {
		s.release(w.projected, w.hidden)
	}
}

// run replaces h by the layer's output.
func (y *layer) run(s *scope, h compute.Tensor, cells compute.Layout, heads int, w workspace) {
	s.linearInto(w.qkv, h, y.qkv, compute.Identity)
	s.do(func() error { return s.dev.Attention(s.ctx, w.attended, w.qkv, cells, heads) })
	y.finish(s, h, w)
}

// runFirst returns the layer's output for the first token of each cell. The
// rows have the bytes that run gives them.
func (y *layer) runFirst(s *scope, h compute.Tensor, cells compute.Layout, first []int32, heads int) compute.Tensor {
	kv := s.linear(h, y.kv, compute.Identity)
	top := s.gather(h, first)
	q := s.linear(top, y.q, compute.Identity)
	if s.err != nil {
		return nil
	}
	n, d := top.Rows(), top.Cols()
	w := workspace{attended: s.tensor(n, d)}
	w.addSteps(s, n, d, y.ff1.Weight.Out())
	s.do(func() error { return s.dev.AttentionFirst(s.ctx, w.attended, q, kv, cells, heads) })
	y.finish(s, top, w)
	return top
}

// finish is what follows the attention: projection, norm, feed-forward, norm.
func (y *layer) finish(s *scope, h compute.Tensor, w workspace) {
	if f, ok := s.dev.(compute.LayerFinisher); ok {
		tail := compute.LayerTail{Out: y.out, Up: y.ff1, Down: y.ff2, Norm1: y.norm1, Norm2: y.norm2}
		s.do(func() error { return f.FinishLayer(s.ctx, h, w.attended, tail) })
		return
	}
	s.linearInto(w.projected, w.attended, y.out, compute.Identity)
	s.do(func() error { return s.dev.AddLayerNorm(s.ctx, h, h, w.projected, y.norm1) })
	s.linearInto(w.hidden, h, y.ff1, compute.ReLU)
	s.linearInto(w.projected, w.hidden, y.ff2, compute.Identity)
	s.do(func() error { return s.dev.AddLayerNorm(s.ctx, h, h, w.projected, y.norm2) })
}
