package model

import "context"

// GeneEmbeddings returns LayerNorm(E[id]) for each id, len(ids) × EmbSize: the
// embedding of the gene apart from any cell, as upstream's gene programs use
// it.
func (m *Model) GeneEmbeddings(ids []int32) ([]float32, error) {
	for i, id := range ids {
		if id < 0 || int(id) >= m.vocab {
			return nil, invalidf("genes", "ids[%d] = %d, but the vocabulary has %d tokens", i, id, m.vocab)
		}
	}
	ctx, done, err := m.use(context.Background())
	if err != nil {
		return nil, err
	}
	defer done()
	s := newScope(ctx, m.dev)
	defer s.free()
	out := make([]float32, len(ids)*m.args.EmbSize)
	s.read(out, s.gather(m.genes, ids))
	if s.err != nil {
		return nil, s.err
	}
	return out, nil
}
