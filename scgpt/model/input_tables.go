package model

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// inputTables stand for the first layer's projection to queries, keys and values:
// its input is the sum of a row for the gene and a row for the value, so that its
// output is one too, of rows that are the same in every cell.
type inputTables struct {
	genes compute.Tensor // vocabulary × 3d, without the bias
	// values has the projected rows of the encoder's table, with the bias.
	values, encoded compute.Tensor
	qkv             linear
}

// loadInputTables returns nil where the device computes a product as fast as it
// would read it, and for a model whose input is more than such a sum.
func loadInputTables(l *loader, m *Model) *inputTables {
	p, ok := l.dev.(compute.Projector)
	if !ok || l.err != nil || m.values.table == nil || len(m.norms) > 0 {
		return nil
	}
	t := &inputTables{encoded: m.values.table, qkv: m.layers[0].qkv}
	var err error
	if t.values, err = t.projectValues(context.Background(), l.dev); err != nil {
		l.fail(err)
		return nil
	}
	l.handles = append(l.handles, t.values)
	if t.genes, err = p.Project(m.genes, t.qkv.Weight); err != nil {
		l.fail(err)
		return nil
	}
	l.handles = append(l.handles, t.genes)
	return t
}

// projectValues returns the projected rows of the encoder's table, with the bias.
func (t *inputTables) projectValues(ctx context.Context, dev compute.Device) (compute.Tensor, error) {
	s := newScope(ctx, dev)
	defer s.free()
	return s.keep(s.linear(t.encoded, t.qkv, compute.Identity))
}

// project returns the queries, keys and values of the tokens' input, n × 3d.
func (t *inputTables) project(s *scope, in compute.Embedding) compute.Tensor {
	values := t.values
	if in.Values != t.encoded {
		values = s.linear(in.Values, t.qkv, compute.Identity) // the batch's own
	}
	in.Table, in.Values = t.genes, values
	qkv := s.tensor(len(in.IDs), t.genes.Cols())
	s.do(func() error { return s.dev.Embed(s.ctx, qkv, in) })
	return qkv
}
