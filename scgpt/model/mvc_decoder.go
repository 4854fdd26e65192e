package model

import "github.com/seed-ab6af24b/troupe/scgpt/compute"

// mvcDecoder predicts each gene's value from the cell's embedding ("masked
// value prediction for cell modelling", upstream's "inner product"):
// (W·sigmoid(gene2query(g)))·c, where c is the cell's embedding, with the batch
// label's behind it if there are labels. The product is computed as
// sigmoid(gene2query(g))·(Wᵀc), which needs W once for a cell.
type mvcDecoder struct {
	query linear
	cell  []linear // c → Wᵀc, one for each batch label or the only one
	zero  []linear // the same for the logit of being expressed; nil without
	shift []linear // c → b·c, its bias
}

func loadMVCDecoder(l *loader, d int, batch *batchEncoder) *mvcDecoder {
	const name = "mvc_decoder."
	// Other variants ("concat query", "sum query") have fc1 and fc2, which
	// upstream itself cannot run.
	if !l.has(name+"gene2query.weight") || !l.has(name+"W.weight") {
		return nil
	}
	din := batch.width(d)
	m := &mvcDecoder{query: l.linear(name+"gene2query", d, d)}
	w := l.host(name+"W.weight", din, d)
	if l.err != nil {
		return nil
	}
	none := l.upload(1, d, make([]float32, d))
	m.cell = batch.fold(l, transpose(w, din, d), d, d, none)
	if l.has(name + "W_zero_logit.weight") {
		w, b := l.host(name+"W_zero_logit.weight", din, d), l.host(name+"W_zero_logit.bias", din)
		if l.err != nil {
			return nil
		}
		m.zero = batch.fold(l, transpose(w, din, d), d, d, none)
		m.shift = batch.fold(l, b, 1, d, l.upload(1, 1, make([]float32, 1)))
	}
	return m
}

// queries returns sigmoid(gene2query(g)) for each token.
func (m *mvcDecoder) queries(s *scope, g compute.Tensor) compute.Tensor {
	return s.linear(g, m.query, compute.Sigmoid)
}

// run returns the inner products of the queries with the cells, tokens × 1.
func (m *mvcDecoder) run(s *scope, q, cells compute.Tensor, layout compute.Layout, by linear) compute.Tensor {
	u := s.linear(cells, by, compute.Identity)
	if s.err != nil {
		return nil
	}
	dst := s.tensor(q.Rows(), 1)
	s.do(func() error { return s.dev.Dot(s.ctx, dst, q, u, layout) })
	return dst
}

func forLabel(layers []linear, label int) linear { return layers[min(label, len(layers)-1)] }
