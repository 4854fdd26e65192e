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
	panels, paired := d.set.NR, d.paired(qkv.Weight)
	if paired {
		panels *= 2
	}
	if dim%panels != 0 || cells.Cells()*heads < 4*d.threads {
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
	start := headStart{l: l, width: width, dim: dim, input: from, ld: l.in}
	if paired {
		p := d.layerOfPairs(l)
		start.pairs = &p
	} else {
		start.ld = d.factorStride(l.in)
		start.input = d.memory.get(n * start.ld)
		defer d.memory.put(start.input)
		err = d.rows(ctx, n, elementBlock, func(_, first, end int) {
			d.set.Factors(start.input[first*start.ld:], start.ld, from[first*l.in:], l.in, end-first, l.in)
		})
		if err != nil {
			return err
		}
	}
	groups := d.headGroups(offsets, heads)
	return d.parallel(ctx, len(groups), func(thread, i int, stopped func() bool) {
		g, s := groups[i], start
		first, last := int(offsets[g.cell]), int(offsets[g.cell+1])
		s.input, s.tokens, s.heads, s.column, s.out = s.input[first*s.ld:], last-first, g.heads, g.first*dim, to[first*width+g.first*dim:]
		d.startHeads(thread, s, stopped)
	})
}

// headGroup is some heads of a cell that one task computes.
type headGroup struct{ cell, first, heads int }

// groupHeads is the most heads of a group: their queries, keys and values wait
// for each other, 3 MB for 1,000 tokens of the full-size model.
const groupHeads = 4

// headGroups shares heads out, so that each block of rows is taken near for as many
// as possible. Towards the end groups are small, so that the threads end at about
// the same time.
func (d *device) headGroups(offsets []int32, heads int) []headGroup {
	left := int(offsets[len(offsets)-1]) * heads
	var groups []headGroup
	for _, cell := range longestFirst(offsets) {
		n := int(offsets[cell+1] - offsets[cell])
		for first := 0; first < heads; {
			size := min(groupHeads, heads-first)
			for size > 1 && size*n*2*d.threads > left {
				size--
			}
			groups = append(groups, headGroup{cell, first, size})
			first += size
			left -= size * n
		}
	}
	return groups
}

// headStart is some neighbouring heads of one cell, from the layer's input on.
type headStart struct {
	l                         packedLayer
	pairs                     *pairLayer // nil where rows are multiplied one by one
	width, dim, column, heads int
	input                     []float32 // tokens rows, ld apart: of numbers with pairs, else of factors
	ld, tokens                int
	out                       []float32
}

// startHeads computes heads on the calling thread. The rows are taken block by
// block into the near cache, and projected there to queries, keys and values.
func (d *device) startHeads(thread int, s headStart, stopped func() bool) {
	nr, n, dim := d.set.NR, s.tokens, s.dim
	type head struct {
		packedHead
		queries, waiting []float32
	}
	heads := make([]head, s.heads)
	p := d.packedHead(n, dim)
	queryWords, nearSize := d.set.Words(dim), rowBlock*s.ld
	querySize := (n + n%2) * queryWords // pairs of rows are whole
	if s.pairs != nil {
		nearSize = d.pairScratch(pairBlock, s.l.in)
	}
	// Queries of one head are narrow: the rows of a tile lie in a few lines
	// behind one another, wherever they begin.
	near := (rowBlock+nr)*dim + rowBlock*dim + nearSize + d.set.PackScratch(dim)
	buf := scratch{d.scratchFor(thread, s.heads*(p.size+querySize+nr*dim)+max(near, d.answerScratch(n, n, dim)))}
	for i := range heads {
		h := &heads[i]
		h.packedHead = p
		h.carve(&buf)
		h.queries, h.waiting = buf.carve(querySize), buf.carve(nr*dim)
	}
	answers := buf
	keys, other, block := buf.carve((rowBlock+nr)*dim), buf.carve(rowBlock*dim), buf.carve(nearSize)
	packing := buf.carve(d.set.PackScratch(dim))
	packed, waiting := 0, 0 // keys in panels, and those that do not fill one yet
	for from := 0; from < n; from += rowBlock {
		rows := min(rowBlock, n-from)
		project := d.headProjection(s, from, rows, block)
		ready := (waiting + rows) / nr * nr
		if from+rows == n {
			ready = waiting + rows
		}
		for i, h := range heads {
			if stopped() {
				return
			}
			if q := h.queries[from*queryWords:]; d.set.InPlace() {
				project(q, i, 0)
			} else {
				project(other, i, 0)
				d.set.Factors(q, queryWords, other, dim, rows, dim)
			}
			project(other, i, 2)
			d.set.PackColsPart(h.values, other, dim, dim, n, from, rows)
			copy(keys, h.waiting[:waiting*dim])
			project(keys[waiting*dim:], i, 1)
			d.set.PackRows(h.keys[packed*h.dimWords:], keys, dim, ready, dim, packing)
			copy(h.waiting, keys[ready*dim:(waiting+rows)*dim])
		}
		packed, waiting = packed+ready, waiting+rows-ready
	}
	for i, h := range heads {
		d.answer(answers, headTask{
			q: h.queries, ldq: queryWords, queries: n, factors: true, keys: n,
			out: s.out[i*dim:], ldo: s.width, dim: dim, scale: headScale(dim),
		}, h.packedHead, stopped)
	}
}

// headProjection takes some rows of the input near and returns what projects them to
// the dim columns of a head: part 0 is queries, 1 keys, 2 values.
func (d *device) headProjection(s headStart, from, rows int, near []float32) func(dst []float32, head, part int) {
	dim, k := s.dim, s.l.in
	if s.pairs == nil {
		words := d.set.Words(k)
		copy(near, s.input[from*s.ld:(from+rows-1)*s.ld+words])
		return func(dst []float32, head, part int) {
			c := part*s.width + s.column + head*dim
			var bias []float32
			if s.l.bias != nil {
				bias = s.l.bias[c : c+dim]
			}
			d.product(rows, words, dim, near, s.ld, s.l.panels[c*words:(c+dim)*words], dst, dim, bias, compute.Identity)
		}
	}
	buf := scratch{near}
	b := d.carvePairs(&buf, (rows+1)/2, k)
	for p := range b.pairs {
		first := from + 2*p
		d.pairFactors(b, p, s.input[first*k:min(first+2, from+rows)*k], k)
	}
	return func(dst []float32, head, part int) {
		d.pairProduct(b, *s.pairs, part*s.width+s.column+head*dim, dim, dst, dim, compute.Identity)
	}
}

// startStepwise writes queries, keys and values to memory.
func (d *device) startStepwise(ctx context.Context, attended, h compute.Tensor, qkv compute.Linear, cells compute.Layout, heads int) error {
	projected, err := d.NewTensor(h.Rows(), qkv.Weight.Out())
	if err != nil {
		return err
	}
	defer projected.Free()
	if err := d.linearIn(ctx, cells, projected, h, qkv, compute.Identity); err != nil {
		return err
	}
	return d.Attention(ctx, attended, projected, cells, heads)
}
