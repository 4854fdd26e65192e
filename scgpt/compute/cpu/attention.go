package cpu

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

// queryTiles is the number of row tiles of queries whose scores against all
// keys of a cell are alive at once: at 1,200 keys and 14 rows, 134 KiB.
const queryTiles = 2

func (d *device) Attention(ctx context.Context, dst, qkv compute.Tensor, cells compute.Layout, heads int) error {
	const op = "Attention"
	if err := compute.CheckAttention(dst, qkv, cells, heads); err != nil {
		return err
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.end()
	to, err := d.floats(op, "destination", dst)
	if err != nil {
		return err
	}
	from, err := d.floats(op, "source", qkv)
	if err != nil {
		return err
	}
	offsets, err := d.offsets(op, cells)
	if err != nil {
		return err
	}
	width := dst.Cols()

	// Cells and heads are tasks. When they are too few to occupy the
	// threads, the queries are shared out too, and each share packs the
	// keys and values again.
	shares := 1
	if tasks := cells.Cells() * heads; tasks > 0 && tasks < 4*d.threads {
		shares = (4*d.threads + tasks - 1) / tasks
	}
	block := queryTiles * d.set.MR
	order := longestFirst(offsets)
	return d.parallel(ctx, cells.Cells()*heads*shares, func(thread, i int, stopped func() bool) {
		cell, head, share := order[i/(heads*shares)], i/shares%heads, i%shares
		first, last := int(offsets[cell]), int(offsets[cell+1])
		n := last - first
		blocks := (n + block - 1) / block
		begin, end := min(n, blocks*share/shares*block), min(n, blocks*(share+1)/shares*block)
		if begin == end {
			return
		}
		hd := width / heads
		d.attend(thread, headTask{
			q: from[(first+begin)*3*width+head*hd:], ldq: 3 * width, queries: end - begin,
			k: from[first*3*width+width+head*hd:], v: from[first*3*width+2*width+head*hd:], ldkv: 3 * width, keys: n,
			out: to[(first+begin)*width+head*hd:], ldo: width, dim: hd, scale: headScale(hd),
		}, stopped)
	})
}

// longestFirst returns the cells in the order in which they are worked on: the
// short ones last, so that the threads end at about the same time.
func longestFirst(offsets []int32) []int {
	order := make([]int, len(offsets)-1)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(offsets[b+1]-offsets[b], offsets[a+1]-offsets[a])
	})
	return order
}

func (d *device) AttentionFirst(ctx context.Context, dst, q, kv compute.Tensor, cells compute.Layout, heads int) error {
	const op = "AttentionFirst"
	if err := compute.CheckAttentionFirst(dst, q, kv, cells, heads); err != nil {
		return err
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.end()
	to, err := d.floats(op, "destination", dst)
	if err != nil {
		return err
	}
	queries, err := d.floats(op, "queries", q)
	if err != nil {
		return err
	}
	from, err := d.floats(op, "keys and values", kv)
	if err != nil {
		return err
	}
	offsets, err := d.offsets(op, cells)
	if err != nil {
		return err
	}
	width := dst.Cols()
	return d.parallel(ctx, cells.Cells()*heads, func(thread, i int, stopped func() bool) {
		cell, head := i/heads, i%heads
		first, last := int(offsets[cell]), int(offsets[cell+1])
		hd := width / heads
		d.attend(thread, headTask{
			q: queries[cell*width+head*hd:], ldq: width, queries: 1,
			k: from[first*2*width+head*hd:], v: from[first*2*width+width+head*hd:], ldkv: 2 * width, keys: last - first,
			out: to[cell*width+head*hd:], ldo: width, dim: hd, scale: headScale(hd),
		}, stopped)
	})
}

var _ compute.InputAttender = (*device)(nil)

// AttendInputs takes the heads of a cell for queries of one wide head, whose
// keys are also its values.
func (d *device) AttendInputs(ctx context.Context, dst, queries, src compute.Tensor, cells compute.Layout, scale float32) error {
	const op = "AttendInputs"
	if err := compute.CheckAttendInputs(dst, queries, src, cells, scale); err != nil {
		return err
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.end()
	to, err := d.floats(op, "destination", dst)
	if err != nil {
		return err
	}
	asked, err := d.floats(op, "queries", queries)
	if err != nil {
		return err
	}
	from, err := d.floats(op, "source", src)
	if err != nil {
		return err
	}
	offsets, err := d.offsets(op, cells)
	if err != nil {
		return err
	}
	width := src.Cols()
	heads := queries.Cols() / width
	order := longestFirst(offsets)
	return d.parallel(ctx, cells.Cells(), func(thread, i int, stopped func() bool) {
		cell := order[i]
		first, last := int(offsets[cell]), int(offsets[cell+1])
		d.attend(thread, headTask{
			q: asked[cell*heads*width:], ldq: width, queries: heads,
			k: from[first*width:], v: from[first*width:], ldkv: width, keys: last - first,
			out: to[cell*heads*width:], ldo: width, dim: width, scale: scale,
		}, stopped)
	})
}

// headTask is one head of one cell: some queries against all keys.
type headTask struct {
	q            []float32
	ldq, queries int
	factors      bool // q is rows of words already
	k, v         []float32
	ldkv, keys   int
	out          []float32
	ldo, dim     int
	scale        float32
}

func headScale(dim int) float32 { return float32(1 / math.Sqrt(float64(dim))) }

// attend computes one head on the calling thread.
func (d *device) attend(thread int, h headTask, stopped func() bool) {
	p := d.packedHead(h.keys, h.dim)
	buf := scratch{d.scratchFor(thread, p.size+d.set.PackScratch(h.dim)+d.answerScratch(h.queries, h.keys, h.dim))}
	p.carve(&buf)
	d.set.PackRows(p.keys, h.k, h.ldkv, h.keys, h.dim, buf.carve(d.set.PackScratch(h.dim)))
	d.set.PackCols(p.values, h.v, h.ldkv, h.dim, h.keys)
	d.answer(buf, h, p, stopped)
}

// packedHead is where the keys and values of a head are packed.
type packedHead struct {
	keys, values          []float32
	size                  int // numbers of both
	keysPadded, dimPadded int
	keyWords, dimWords    int
}

func (d *device) packedHead(keys, dim int) packedHead {
	nr := d.set.NR
	p := packedHead{
		keysPadded: (keys + nr - 1) / nr * nr, dimPadded: (dim + nr - 1) / nr * nr,
		keyWords: d.set.Words(keys), dimWords: d.set.Words(dim),
	}
	p.size = p.keysPadded*p.dimWords + p.dimPadded*p.keyWords
	return p
}

func (p *packedHead) carve(buf *scratch) {
	p.keys, p.values = buf.carve(p.keysPadded*p.dimWords), buf.carve(p.dimPadded*p.keyWords)
}

// queryBlock is the number of queries whose scores are alive at once.
func (d *device) queryBlock(queries int) int { return min(queryTiles*d.set.MR, queries) }

// answerScratch is what answer takes.
func (d *device) answerScratch(queries, keys, dim int) int {
	p := d.packedHead(keys, dim)
	return d.queryBlock(queries) * (kernel.Stride(p.keysPadded) + d.factorStride(keys) + p.dimPadded + d.factorStride(dim))
}

// answer computes the queries of a head whose keys and values are packed. Every
// query is computed from whole rows of scores, so the result does not depend on
// the blocks.
func (d *device) answer(buf scratch, h headTask, p packedHead, stopped func() bool) {
	block := d.queryBlock(h.queries)
	lds, ldw := kernel.Stride(p.keysPadded), d.factorStride(h.keys)
	scores, sums := buf.carve(block*lds), buf.carve(block*p.dimPadded)
	weights := buf.carve(block * ldw)
	if d.set.InPlace() {
		weights, ldw = scores, lds
	}
	for i := 0; i < h.queries && !stopped(); i += block {
		m := min(block, h.queries-i)
		q, ldq := h.q[i*h.ldq:], h.ldq
		if !h.factors {
			rest := buf
			q, ldq = d.factors(&rest, q, ldq, m, h.dim)
		}
		d.product(m, p.dimWords, p.keysPadded, q, ldq, p.keys, scores, lds, nil, compute.Identity)
		// By the time the products are done, the memory has answered.
		d.set.PrefetchWrite(h.out[i*h.ldo:], h.ldo, m, h.dim)
		if next := i + block; next < h.queries && !h.factors {
			d.set.Prefetch(h.q[next*h.ldq:], h.ldq, min(block, h.queries-next), h.dim)
		}
		var total [queryTiles * kernel.MaxMR]float32
		for r := range m {
			total[r] = d.set.SoftmaxRow(weights[r*ldw:r*ldw+p.keyWords], scores[r*lds:r*lds+h.keys], h.scale)
		}
		d.product(m, p.keyWords, p.dimPadded, weights, ldw, p.values, sums, p.dimPadded, nil, compute.Identity)
		for r := range m {
			d.set.Scale(h.out[(i+r)*h.ldo:(i+r)*h.ldo+h.dim], sums[r*p.dimPadded:r*p.dimPadded+h.dim], 1/total[r])
		}
	}
}

func (d *device) AttentionScores(ctx context.Context, dst, qkv compute.Tensor, from, to, heads int) error {
	const op = "AttentionScores"
	if err := compute.CheckAttentionScores(dst, qkv, from, to, heads); err != nil {
		return err
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.end()
	out, err := d.floats(op, "destination", dst)
	if err != nil {
		return err
	}
	src, err := d.floats(op, "source", qkv)
	if err != nil {
		return err
	}
	width, n, nr := qkv.Cols()/3, to-from, d.set.NR
	hd := width / heads
	return d.parallel(ctx, heads, func(thread, head int, stopped func() bool) {
		padded, words := (n+nr-1)/nr*nr, d.set.Words(hd)
		block := min(queryTiles*d.set.MR, n)
		buf := scratch{d.scratchFor(thread, padded*words+d.set.PackScratch(hd)+block*(padded+d.factorStride(hd)))}
		keys, scores := buf.carve(padded*words), buf.carve(block*padded)
		d.set.PackRows(keys, src[from*3*width+width+head*hd:], 3*width, n, hd, buf.carve(d.set.PackScratch(hd)))
		for i := 0; i < n && !stopped(); i += block {
			m := min(block, n-i)
			rest := buf
			q, ldq := d.factors(&rest, src[(from+i)*3*width+head*hd:], 3*width, m, hd)
			d.product(m, words, padded, q, ldq, keys, scores, padded, nil, compute.Identity)
			for r := range m {
				copy(out[(head*n+i+r)*n:(head*n+i+r+1)*n], scores[r*padded:])
			}
		}
	})
}
