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
	if t.values, err = t.project(context.Background(), l.dev, t.encoded); err != nil {
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

// project returns the projected rows of a table of values, with the bias.
func (t *inputTables) project(ctx context.Context, dev compute.Device, values compute.Tensor) (compute.Tensor, error) {
	s := newScope(ctx, dev)
	defer s.free()
	return s.keep(s.linear(values, t.qkv, compute.Identity))
}

// embed sets qkv to the projection of the tokens' input.
func (t *inputTables) embed(s *scope, qkv compute.Tensor, in compute.Embedding) {
	values := t.values
	if in.Values != t.encoded {
		values = s.linear(in.Values, t.qkv, compute.Identity) // the batch's own
	}
	in.Table, in.Values = t.genes, values
	s.do(func() error { return s.dev.Embed(s.ctx, qkv, in) })
}
