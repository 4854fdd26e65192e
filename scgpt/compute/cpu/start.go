package cpu

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

var _ compute.LayerStarter = (*device)(nil)

// StartLayer projects the rows of a cell to one head and attends to them at once:
// the queries, keys and values of all heads together would be three times as large
// as what they are computed from, and go to memory and back.
func (d *device) StartLayer(ctx context.Context, attended, h compute.Tensor, qkv compute.Linear, cells compute.Layout, heads int) error {
	const op = "StartLayer"
	if err := compute.CheckStartLayer(attended, h, qkv, cells, heads); err != nil {
		return err
	}
	width, n := attended.Cols(), h.Rows()
	dim := width / heads
	// A head's columns must be whole panels. Too few heads for all threads share
	// their queries out, which the other way does better.
	if dim%d.set.NR != 0 || cells.Cells()*heads < 4*d.threads {
		return d.startStepwise(ctx, attended, h, qkv, cells, heads)
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.end()
	to, err := d.floats(op, "destination", attended)
	if err != nil {
		return err
	}
	from, err := d.floats(op, "source", h)
	if err != nil {
		return err
	}
	l, err := d.layer(op, qkv)
	if err != nil {
		return err
	}
	offsets, err := d.offsets(op, cells)
	if err != nil {
		return err
	}
	ld := d.factorStride(l.in)
	factors := d.memory.get(n * ld)
	defer d.memory.put(factors)
	err = d.rows(ctx, n, elementBlock, func(_, first, end int) {
		d.set.Factors(factors[first*ld:], ld, from[first*l.in:], l.in, end-first, l.in)
	})
	if err != nil {
		return err
	}
	order := longestFirst(offsets)
	return d.parallel(ctx, cells.Cells()*heads, func(thread, i int, stopped func() bool) {
		cell, head := order[i/heads], i%heads
		first, last := int(offsets[cell]), int(offsets[cell+1])
		d.startHead(thread, headStart{
			l: l, width: width, dim: dim, column: head * dim,
			rows: factors[first*ld:], ld: ld, tokens: last - first,
			out: to[first*width+head*dim:],
		}, stopped)
	})
}

// headStart is one head of one cell, from the layer's input on.
type headStart struct {
	l                  packedLayer
	width, dim, column int
	rows               []float32 // tokens rows of factors, ld apart
	ld, tokens         int
	out                []float32
}

// startHead computes one head on the calling thread. The rows are taken block by
// block into the near cache, and projected there to queries, keys and values.
func (d *device) startHead(thread int, s headStart, stopped func() bool) {
	nr, n, dim := d.set.NR, s.tokens, s.dim
	p := d.packedHead(n, dim)
	words, queryWords := d.set.Words(s.l.in), d.set.Words(dim)
	// Queries of one head are narrow: the rows of a tile lie in a few lines
	// behind one another, wherever they begin.
	size := p.size + n*queryWords + (rowBlock+nr)*dim + rowBlock*dim + rowBlock*s.ld
	buf := scratch{d.scratchFor(thread, size+d.set.PackScratch(dim)+d.answerScratch(n, n, dim))}
	p.carve(&buf)
	queries := buf.carve(n * queryWords)
	answers := buf
	keys, other, near := buf.carve((rowBlock+nr)*dim), buf.carve(rowBlock*dim), buf.carve(rowBlock*s.ld)
	packing := buf.carve(d.set.PackScratch(dim))
	project := func(dst []float32, part, rows int) {
		c := part*s.width + s.column
		var bias []float32
		if s.l.bias != nil {
			bias = s.l.bias[c : c+dim]
		}
		d.product(rows, words, dim, near, s.ld, s.l.panels[c*words:(c+dim)*words], dst, dim, bias, compute.Identity)
	}
	packed, waiting := 0, 0 // keys in panels, and those that do not fill one yet
	for from := 0; from < n && !stopped(); from += rowBlock {
		rows := min(rowBlock, n-from)
		copy(near, s.rows[from*s.ld:(from+rows-1)*s.ld+words])
		project(other, 0, rows)
		d.set.Factors(queries[from*queryWords:], queryWords, other, dim, rows, dim)
		project(other, 2, rows)
		d.set.PackColsPart(p.values, other, dim, dim, n, from, rows)
		project(keys[waiting*dim:], 1, rows)
		waiting += rows
		ready := waiting / nr * nr
		if from+rows == n {
			ready = waiting
		}
		d.set.PackRows(p.keys[packed*p.dimWords:], keys, dim, ready, dim, packing)
		packed, waiting = packed+ready, waiting-ready
		copy(keys, keys[ready*dim:(ready+waiting)*dim])
	}
	d.answer(answers, headTask{
		q: queries, ldq: queryWords, queries: n, factors: true, keys: n,
		out: s.out, ldo: s.width, dim: dim, scale: headScale(dim),
	}, p, stopped)
}

// startStepwise writes queries, keys and values to memory.
func (d *device) startStepwise(ctx context.Context, attended, h compute.Tensor, qkv compute.Linear, cells compute.Layout, heads int) error {
	projected, err := d.NewTensor(h.Rows(), qkv.Weight.Out())
	if err != nil {
		return err
	}
	defer projected.Free()
	if err := d.Linear(ctx, projected, h, qkv.Weight, qkv.Bias, compute.Identity); err != nil {
		return err
	}
	return d.Attention(ctx, attended, projected, cells, heads)
}
