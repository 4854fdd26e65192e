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

	// What the last layer has besides, for first tokens alone. On a device that
	// attends to inputs that is folded; on others the input projection once more
	// in two parts, since only the first tokens need queries.
	folded *foldedAttention
	q, kv  linear
}

func loadLayer(l *loader, args checkpoint.Args, i int) layer {
	d := args.EmbSize
	name := fmt.Sprintf("transformer_encoder.layers.%d.", i)
	var y layer
	// Mostly, the first layer looks its queries, keys and values up, and the last
	// runs for first tokens alone.
	qkv, tail := l.linearOfCells, l.linearOfCells
	switch i {
	case args.NLayers - 1:
		qkv, tail = l.linear, l.linear
	case 0:
		qkv = l.linear
	}
	y.qkv = qkv(name+"self_attn.Wqkv", 3*d, d)
	y.out = tail(name+"self_attn.out_proj", d, d)
	if i == args.NLayers-1 {
		y.loadFirst(l, name, args)
	}
	y.norm1 = l.norm(name+"norm1", d)
	y.ff1 = tail(name+"linear1", args.DHid, d)
	y.ff2 = tail(name+"linear2", d, args.DHid)
	y.norm2 = l.norm(name+"norm2", d)
	return y
}

// loadFirst lays out what the first tokens alone take.
func (y *layer) loadFirst(l *loader, name string, args checkpoint.Args) {
	d := args.EmbSize
	weight, bias := l.host(name+"self_attn.Wqkv.weight", 3*d, d), l.host(name+"self_attn.Wqkv.bias", 3*d)
	if l.err != nil {
		return
	}
	if _, ok := l.dev.(compute.InputAttender); ok {
		out, outBias := l.host(name+"self_attn.out_proj.weight", d, d), l.host(name+"self_attn.out_proj.bias", d)
		if l.err == nil {
			y.folded = foldAttention(l, name+"self_attn.", attentionWeights{d, args.NHeads, weight, bias, out, outBias})
		}
		return
	}
	y.q = linear{Weight: l.uploadMatrix(d, d, weight[:d*d]), Bias: l.upload(1, d, bias[:d])}
	y.kv = linear{Weight: l.uploadMatrix(2*d, d, weight[d*d:]), Bias: l.upload(1, 2*d, bias[d:])}
}

// workspace is the memory that all layers share, for one batch.
type workspace struct {
	attended compute.Tensor
	// What a device that starts and finishes layers itself has no use for.
	qkv, projected, hidden compute.Tensor
}

func newWorkspace(s *scope, tokens int, args checkpoint.Args) workspace {
	w := workspace{attended: s.tensor(tokens, args.EmbSize)}
	if _, ok := s.dev.(compute.LayerStarter); !ok {
		w.qkv = s.tensor(tokens, 3*args.EmbSize)
	}
	w.addSteps(s, tokens, args.EmbSize, args.DHid)
	return w
}

func (w *workspace) addSteps(s *scope, tokens, d, hidden int) {
	if _, ok := s.dev.(compute.LayerFinisher); !ok {
		w.projected, w.hidden = s.tensor(tokens, d), s.tensor(tokens, hidden)
	}
}

func (w *workspace) release(s *scope) {
	for _, t := range []compute.Tensor{w.attended, w.qkv, w.projected, w.hidden} {
		if t != nil {
			s.release(t)
		}
	}
}

// run replaces h by the layer's output.
func (y *layer) run(s *scope, h compute.Tensor, cells compute.Layout, heads int, w workspace) {
	if starter, ok := s.dev.(compute.LayerStarter); ok {
		s.do(func() error { return starter.StartLayer(s.ctx, w.attended, h, y.qkv, cells, heads) })
	} else {
		s.linearInto(w.qkv, h, y.qkv, compute.Identity)
		y.attend(s, w.qkv, cells, heads, w)
	}
	y.finish(s, h, cells, w, y.out)
}

// runFrom is run where queries, keys and values are known.
func (y *layer) runFrom(s *scope, qkv, h compute.Tensor, cells compute.Layout, heads int, w workspace) {
	y.attend(s, qkv, cells, heads, w)
	y.finish(s, h, cells, w, y.out)
}

func (y *layer) attend(s *scope, qkv compute.Tensor, cells compute.Layout, heads int, w workspace) {
	s.do(func() error { return s.dev.Attention(s.ctx, w.attended, qkv, cells, heads) })
}

// runFirst returns the layer's output for the first token of each cell.
func (y *layer) runFirst(s *scope, h compute.Tensor, cells compute.Layout, first []int32, heads int) compute.Tensor {
	top := s.gather(h, first)
	if s.err != nil {
		return nil
	}
	n, d := top.Rows(), top.Cols()
	w, out := workspace{}, y.out
	if f := y.folded; f != nil {
		w.attended = f.attend(s, top, h, cells, heads)
		out = f.out
	} else {
		kv, q := s.linear(h, y.kv, compute.Identity), s.linear(top, y.q, compute.Identity)
		w.attended = s.tensor(n, d)
		s.do(func() error { return s.dev.AttentionFirst(s.ctx, w.attended, q, kv, cells, heads) })
	}
	w.addSteps(s, n, d, y.ff1.Weight.Out())
	y.finish(s, top, nil, w, out)
	return top
}

// finish is what follows the attention: projection, norm, feed-forward, norm. cells
// is nil where each row is of another cell.
func (y *layer) finish(s *scope, h compute.Tensor, cells compute.Layout, w workspace, out linear) {
	if f, ok := s.dev.(compute.LayerFinisher); ok {
		tail := compute.LayerTail{Out: out, Up: y.ff1, Down: y.ff2, Norm1: y.norm1, Norm2: y.norm2}
		s.do(func() error { return f.FinishLayer(s.ctx, h, w.attended, cells, tail) })
		return
	}
	s.linearInto(w.projected, w.attended, out, compute.Identity)
	s.do(func() error { return s.dev.AddLayerNorm(s.ctx, h, h, w.projected, y.norm1) })
	s.linearInto(w.hidden, h, y.ff1, compute.ReLU)
	s.linearInto(w.projected, w.hidden, y.ff2, compute.Identity)
	s.do(func() error { return s.dev.AddLayerNorm(s.ctx, h, h, w.projected, y.norm2) })
}
