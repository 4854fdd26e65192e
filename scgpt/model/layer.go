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
		y.q = linear{l.uploadMatrix(d, d, weight[:d*d]), l.upload(1, d, bias[:d])}
		y.kv = linear{l.uploadMatrix(2*d, d, weight[d*d:]), l.upload(1, 2*d, bias[d:])}
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
	qkv, attended, projected, hidden compute.Tensor
}

func newWorkspace(s *scope, tokens int, args checkpoint.Args) workspace {
	d := args.EmbSize
	return workspace{
		qkv:       s.tensor(tokens, 3*d),
		attended:  s.tensor(tokens, d),
		projected: s.tensor(tokens, d),
		hidden:    s.tensor(tokens, args.DHid),
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
	w := workspace{attended: s.tensor(n, d), projected: s.tensor(n, d), hidden: s.tensor(n, y.ff1.weight.Out())}
	s.do(func() error { return s.dev.AttentionFirst(s.ctx, w.attended, q, kv, cells, heads) })
	y.finish(s, top, w)
	return top
}

// finish is what follows the attention: projection, norm, feed-forward, norm.
func (y *layer) finish(s *scope, h compute.Tensor, w workspace) {
	s.linearInto(w.projected, w.attended, y.out, compute.Identity)
	s.do(func() error { return s.dev.AddLayerNorm(s.ctx, h, h, w.projected, y.norm1) })
	s.linearInto(w.hidden, h, y.ff1, compute.ReLU)
	s.linearInto(w.projected, w.hidden, y.ff2, compute.Identity)
	s.do(func() error { return s.dev.AddLayerNorm(s.ctx, h, h, w.projected, y.norm2) })
}
