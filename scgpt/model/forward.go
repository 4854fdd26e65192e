package model

import (
	"context"
	"fmt"
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// Forward runs the model on a batch of packed cells. A batch larger than
// [Model.BatchTokens] is cut at cell borders, so that memory does not grow with
// it; a cell's result has the same bytes in every batch. Cells that do not fit
// into the device's memory together are run in smaller batches, and the batches
// after them too. It returns an [*Error] for a batch or options that do not fit
// the model, a [*compute.OutOfMemoryError] where a single cell does not fit, and
// the context's cause soon after the context ends.
func (m *Model) Forward(ctx context.Context, batch tokens.Packed, opts Options) (*Output, error) {
	if opts.Pooling == "" {
		opts.Pooling = m.args.CellEmbStyle
	}
	if err := m.checkOptions(opts); err != nil {
		return nil, err
	}
	if err := m.checkBatch(batch); err != nil {
		return nil, err
	}
	ctx, done, err := m.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	out := m.newOutput(batch, opts)
	for from := 0; from < batch.Cells(); {
		to := pieceEnd(batch.Offsets, from, m.limit.tokens())
		err := m.forwardPiece(ctx, batch, from, to, opts, out)
		if isOutOfMemory(err) && to-from > 1 {
			m.limit.shrink(int(batch.Offsets[to] - batch.Offsets[from]))
			continue
		}
		if err != nil {
			return nil, err
		}
		m.limit.fit()
		from = to
	}
	return out, nil
}

func (m *Model) checkOptions(opts Options) error {
	switch opts.Pooling {
	case checkpoint.CLS, checkpoint.AvgPool, checkpoint.WPool:
	default:
		return invalidf("options", "pooling %q; known: %s, %s, %s", opts.Pooling, checkpoint.CLS, checkpoint.AvgPool, checkpoint.WPool)
	}
	if opts.Domain < 0 || opts.Domain >= max(1, m.Domains()) {
		return invalidf("options", "domain %d, but the model has %d", opts.Domain, m.Domains())
	}
	for _, head := range []struct {
		name            string
		wanted, missing bool
	}{
		{"expression decoder (decoder.fc)", opts.Expression, m.expression == nil},
		{"zero-probability decoder (decoder.zero_logit)", opts.ZeroProbs, m.zero == nil},
		{"MVC decoder (mvc_decoder)", opts.MVC, m.mvc == nil},
		{"discriminator of batches (grad_reverse_discriminator)", opts.DomainLogits, m.domain == nil},
	} {
		if head.wanted && head.missing {
			return invalidf("options", "the checkpoint has no %s", head.name)
		}
	}
	return nil
}

func (m *Model) checkBatch(b tokens.Packed) error {
	if len(b.IDs) != len(b.Values) {
		return invalidf("batch", "%d ids and %d values", len(b.IDs), len(b.Values))
	}
	if len(b.Offsets) == 0 {
		if len(b.IDs) > 0 {
			return invalidf("batch", "%d tokens without offsets", len(b.IDs))
		}
		return nil
	}
	if b.Offsets[0] != 0 || int(b.Offsets[len(b.Offsets)-1]) != len(b.IDs) {
		return invalidf("batch", "offsets from %d to %d for %d tokens", b.Offsets[0], b.Offsets[len(b.Offsets)-1], len(b.IDs))
	}
	for i := range b.Cells() {
		if b.Offsets[i+1] <= b.Offsets[i] {
			return invalidf("batch", "cell %d has no tokens; at least <cls> would be right", i)
		}
	}
	for i, id := range b.IDs {
		if id < 0 || int(id) >= m.vocab {
			return invalidf("batch", "ids[%d] = %d, but the vocabulary has %d tokens", i, id, m.vocab)
		}
	}
	return m.values.check(b.Values)
}

func (m *Model) newOutput(b tokens.Packed, opts Options) *Output {
	cells, n, d := b.Cells(), b.Tokens(), m.args.EmbSize
	when := func(wanted bool, size int) []float32 {
		if !wanted {
			return nil
		}
		return make([]float32, size)
	}
	out := &Output{
		CellEmbeddings:  make([]float32, cells*d),
		Logits:          when(m.classifier != nil, cells*m.Classes()),
		TokenEmbeddings: when(opts.TokenEmbeddings, n*d),
		Expression:      when(opts.Expression, n),
		ZeroProbs:       when(opts.ZeroProbs, n),
		MVC:             when(opts.MVC, n),
		MVCZeroProbs:    when(opts.MVC && m.mvc.zero != nil, n),
	}
	if opts.DomainLogits {
		out.DomainLogits = make([]float32, cells*m.domain.out.Weight.Out())
	}
	return out
}

// cellTokens is the least number of tokens that a cell counts for when pieces are
// cut: what a cell takes beside its tokens, a query of each head as wide as the
// model, is some as much.
const cellTokens = 8

// pieceEnd returns the end of a run of cells from the given one: to such that
// from, …, to-1 have at most limit tokens, each at least cellTokens of them, or are
// one cell.
func pieceEnd(offsets []int32, from, limit int) (to int) {
	tokens := 0
	for to = from; to < len(offsets)-1; to++ {
		tokens += max(cellTokens, int(offsets[to+1]-offsets[to]))
		if tokens > limit && to > from {
			break
		}
	}
	return to
}

// piece is a run of cells on the device.
type piece struct {
	ids     []int32
	values  []float32
	offsets []int32
	cells   compute.Layout
}

func (p *piece) first() []int32 { return p.offsets[:len(p.offsets)-1] }

func newPiece(s *scope, b tokens.Packed, from, to int) *piece {
	first, last := b.Offsets[from], b.Offsets[to]
	p := &piece{ids: b.IDs[first:last], values: b.Values[first:last], offsets: make([]int32, to-from+1)}
	for i := range p.offsets {
		p.offsets[i] = b.Offsets[from+i] - first
	}
	p.cells = s.layout(p.offsets)
	return p
}

func (m *Model) forwardPiece(ctx context.Context, b tokens.Packed, from, to int, opts Options, out *Output) error {
	s := newScope(ctx, m.dev)
	defer s.free()
	p := newPiece(s, b, from, to)
	d := m.args.EmbSize
	t0, t1 := int(b.Offsets[from]), int(b.Offsets[to])

	all := opts.Pooling != checkpoint.CLS || opts.TokenEmbeddings || opts.Expression || opts.ZeroProbs
	var h, cells compute.Tensor
	var embeddings, logits func(dst []float32)
	weighted := opts.Pooling == checkpoint.WPool
	// All that needs no numbers back goes to the device in one go.
	s.sequence(func() {
		in := m.input(s, p)
		h = m.embed(s, in, opts.Domain)
		last := len(m.layers) - 1
		m.runLayers(s, h, in, p, 0, last)
		if opts.Pooling == checkpoint.CLS {
			cells = m.layers[last].runFirst(s, h, p.cells, p.first(), m.args.NHeads)
		}
		if all {
			m.runLayers(s, h, in, p, last, last+1)
		}
		if opts.Pooling != checkpoint.CLS {
			cells = m.pool(s, h, p, opts.Pooling)
		}
		if !weighted {
			embeddings, logits = m.fetchCells(s, cells)
		}
	})
	if weighted {
		cells = m.unitLength(s, cells)
		embeddings, logits = m.fetchCells(s, cells)
	}
	if s.err != nil {
		return fmt.Errorf("model: cells %d to %d: %w", from, to-1, s.err)
	}
	embeddings(out.CellEmbeddings[from*d : to*d])
	if out.TokenEmbeddings != nil {
		s.read(out.TokenEmbeddings[t0*d:t1*d], h)
	}
	if m.classifier != nil {
		n := m.Classes()
		logits(out.Logits[from*n : to*n])
	}
	if opts.DomainLogits {
		n := m.domain.out.Weight.Out()
		s.read(out.DomainLogits[from*n:to*n], m.domain.run(s, cells))
	}
	if opts.Expression {
		s.read(out.Expression[t0:t1], m.expression.run(s, h, opts.Domain))
	}
	if opts.ZeroProbs {
		probs := out.ZeroProbs[t0:t1]
		s.read(probs, m.zero.run(s, h, opts.Domain))
		sigmoid(probs)
	}
	if opts.MVC {
		m.runMVC(s, p, cells, opts.Domain, out, t0, t1)
	}
	if s.err != nil {
		return fmt.Errorf("model: cells %d to %d: %w", from, to-1, s.err)
	}
	return nil
}

// fetchCells begins to read the cells' embeddings and their logits, if the model
// has a classifier.
func (m *Model) fetchCells(s *scope, cells compute.Tensor) (embeddings, logits func(dst []float32)) {
	embeddings = s.fetch(cells)
	if m.classifier != nil {
		logits = s.fetch(m.classifier.run(s, cells))
	}
	return embeddings, logits
}

// input returns what the transformer's input is made of.
func (m *Model) input(s *scope, p *piece) compute.Embedding {
	e := compute.Embedding{Table: m.genes, IDs: p.ids}
	if m.values.style == checkpoint.Scaling {
		e.Scale = p.values
		return e
	}
	s.do(func() (err error) {
		e.Values, e.Rows, err = m.values.rows(s, p.values)
		return err
	})
	return e
}

// embed returns the transformer's input for the tokens.
func (m *Model) embed(s *scope, in compute.Embedding, domain int) compute.Tensor {
	h := s.tensor(len(in.IDs), m.args.EmbSize)
	s.do(func() error { return s.dev.Embed(s.ctx, h, in) })
	if len(m.norms) > 0 {
		n := m.norms[min(domain, len(m.norms)-1)]
		s.do(func() error { return s.dev.Normalize(s.ctx, h, h, n.mean, n.scale, n.shift) })
	}
	return h
}

// runLayers runs the layers from to to-1 in place.
func (m *Model) runLayers(s *scope, h compute.Tensor, in compute.Embedding, p *piece, from, to int) {
	if from == to {
		return
	}
	w := newWorkspace(s, len(p.ids), m.args)
	for i := from; i < to; i++ {
		if i == 0 && m.tables != nil {
			qkv := m.tables.project(s, in)
			m.layers[i].runFrom(s, qkv, h, p.cells, m.args.NHeads, w)
			s.release(qkv)
			continue
		}
		m.layers[i].run(s, h, p.cells, m.args.NHeads, w)
	}
	w.release(s)
}

// pool returns the cells' embeddings from those of all their tokens; WPool's are
// not of unit length yet.
func (m *Model) pool(s *scope, h compute.Tensor, p *piece, pooling string) compute.Tensor {
	n, d := len(p.offsets)-1, m.args.EmbSize
	weights := p.values
	if pooling == checkpoint.AvgPool {
		weights = make([]float32, len(p.ids))
		for c := range n {
			length := p.offsets[c+1] - p.offsets[c]
			for t := p.offsets[c]; t < p.offsets[c+1]; t++ {
				weights[t] = 1 / float32(length)
			}
		}
	}
	dst := s.tensor(n, d)
	s.do(func() error { return s.dev.Pool(s.ctx, dst, h, p.cells, weights) })
	return dst
}

// unitLength returns rows divided by their L2 norms.
func (m *Model) unitLength(s *scope, x compute.Tensor) compute.Tensor {
	if s.err != nil {
		return nil
	}
	n, d := x.Rows(), x.Cols()
	rows := make([]float32, n*d)
	s.read(rows, x)
	for c := range n {
		normalize(rows[c*d : (c+1)*d])
	}
	return s.upload(n, d, rows)
}

func (m *Model) runMVC(s *scope, p *piece, cells compute.Tensor, label int, out *Output, t0, t1 int) {
	g := s.gather(m.genes, p.ids)
	q := m.mvc.queries(s, g)
	s.read(out.MVC[t0:t1], m.mvc.run(s, q, cells, p.cells, forLabel(m.mvc.cell, label)))
	if m.mvc.zero == nil {
		return
	}
	probs := out.MVCZeroProbs[t0:t1]
	s.read(probs, m.mvc.run(s, q, cells, p.cells, forLabel(m.mvc.zero, label)))
	shift := make([]float32, len(p.offsets)-1)
	s.read(shift, s.linear(cells, forLabel(m.mvc.shift, label), compute.Identity))
	for c, v := range shift {
		for t := p.offsets[c]; t < p.offsets[c+1]; t++ {
			probs[t] += v
		}
	}
	sigmoid(probs)
}

// normalize divides by the L2 norm, at least 1e-12.
func normalize(x []float32) {
	var squares float64
	for _, v := range x {
		squares += float64(v) * float64(v)
	}
	norm := max(math.Sqrt(squares), 1e-12)
	for i, v := range x {
		x[i] = float32(float64(v) / norm)
	}
}

func sigmoid(x []float32) {
	for i, v := range x {
		x[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
}
