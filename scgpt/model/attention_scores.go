package model

import (
	"context"
	"fmt"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// AttentionScores gives visit, cell by cell, the products q·k of the last
// layer: neither scaled nor normalised, heads × n × n for a cell of n tokens
// (scores[(h·n+i)·n+j] is query i with key j in head h). That is what upstream
// ranks and averages into gene networks. visit must not keep scores; an error
// from it ends the walk and is returned.
//
// Memory is that of one cell's scores: heads·n²·4 bytes on the device and here.
// Of the options, Domain alone matters.
func (m *Model) AttentionScores(ctx context.Context, batch tokens.Packed, opts Options, visit func(cell int, scores []float32) error) error {
	if opts.Domain < 0 || opts.Domain >= max(1, m.Domains()) {
		return invalidf("options", "domain %d, but the model has %d", opts.Domain, m.Domains())
	}
	if err := m.checkBatch(batch); err != nil {
		return err
	}
	var scores []float32
	for from := 0; from < batch.Cells(); {
		to := pieceEnd(batch.Offsets, from, m.limit.tokens())
		var err error
		if scores, err = m.scorePiece(ctx, batch, from, to, opts.Domain, scores, visit); err != nil {
			return fmt.Errorf("model: cells %d to %d: %w", from, to-1, err)
		}
		from = to
	}
	return nil
}

func (m *Model) scorePiece(ctx context.Context, b tokens.Packed, from, to, domain int, scores []float32, visit func(int, []float32) error) ([]float32, error) {
	s := newScope(ctx, m.dev)
	defer s.free()
	p := newPiece(s, b, from, to)
	qkv, err := m.lastProjection(s, p, domain)
	if err != nil {
		return nil, err
	}
	heads := m.args.NHeads
	for c := range to - from {
		first, end := int(p.offsets[c]), int(p.offsets[c+1])
		n := end - first
		dst := s.tensor(heads*n, n)
		s.do(func() error { return s.dev.AttentionScores(ctx, dst, qkv, first, end, heads) })
		if need := heads * n * n; len(scores) < need {
			scores = make([]float32, need)
		}
		s.read(scores[:heads*n*n], dst)
		if s.err != nil {
			return nil, s.err
		}
		dst.Free()
		if err := visit(from+c, scores[:heads*n*n]); err != nil {
			return nil, err
		}
	}
	return scores, nil
}

// lastProjection returns queries, keys and values of the last layer. What follows
// needs no weights: visit may call the model.
func (m *Model) lastProjection(s *scope, p *piece, domain int) (compute.Tensor, error) {
	ctx, done, err := m.use(s.ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	caller := s.ctx
	s.ctx = ctx
	defer func() { s.ctx = caller }()
	in := m.input(s, p)
	h := m.embed(s, in, domain)
	last := len(m.layers) - 1
	m.runLayers(s, h, in, p, 0, last)
	return s.linear(h, m.layers[last].qkv, compute.Identity), s.err
}
