package model

import "github.com/seed-ab6af24b/troupe/scgpt/compute"

// exprDecoder predicts a number for each token: its value, or the logit of
// its being expressed.
type exprDecoder struct {
	in  []linear // one for each batch label, or the only one
	mid linear
	out linear
}

func loadExprDecoder(l *loader, name string, d int, batch *batchEncoder) *exprDecoder {
	if !l.has(name + ".0.weight") {
		return nil
	}
	return &exprDecoder{
		in:  batch.fold(l, l.host(name+".0.weight", d, batch.width(d)), d, d, l.vector(name+".0.bias", d)),
		mid: l.linear(name+".2", d, d),
		out: l.linear(name+".4", 1, d),
	}
}

// run returns the predictions, tokens × 1.
func (e *exprDecoder) run(s *scope, h compute.Tensor, label int) compute.Tensor {
	x := s.linear(h, forLabel(e.in, label), compute.LeakyReLU)
	y := s.linear(x, e.mid, compute.LeakyReLU)
	s.release(x)
	out := s.linear(y, e.out, compute.Identity)
	s.release(y)
	return out
}
