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
	k, v         []float32
	ldkv, keys   int
	out          []float32
	ldo, dim     int
	scale        float32
}

func headScale(dim int) float32 { return float32(1 / math.Sqrt(float64(dim))) }

// attend computes one head on the calling thread. Every query is computed
// from whole rows of scores, so the result does not depend on the blocks.
func (d *device) attend(thread int, h headTask, stopped func() bool) {
	nr, block := d.set.NR, min(queryTiles*d.set.MR, h.queries)
	keysPadded, dimPadded := (h.keys+nr-1)/nr*nr, (h.dim+nr-1)/nr*nr
	keyWords, dimWords := d.set.Words(h.keys), d.set.Words(h.dim)
	packed := keysPadded*dimWords + dimPadded*keyWords
	lds, ldw := kernel.Stride(keysPadded), d.factorStride(h.keys)
	buf := scratch{d.scratchFor(thread, packed+d.set.PackScratch(h.dim)+block*(lds+ldw+dimPadded+d.factorStride(h.dim)))}
	keys, values := buf.carve(keysPadded*dimWords), buf.carve(dimPadded*keyWords)
	d.set.PackRows(keys, h.k, h.ldkv, h.keys, h.dim, buf.carve(d.set.PackScratch(h.dim)))
	d.set.PackCols(values, h.v, h.ldkv, h.dim, h.keys)
	scores, sums := buf.carve(block*lds), buf.carve(block*dimPadded)
	weights := buf.carve(block * ldw)
	if d.set.InPlace() {
		weights, ldw = scores, lds
	}
	for i := 0; i < h.queries && !stopped(); i += block {
		m := min(block, h.queries-i)
		rest := buf
		q, ldq := d.factors(&rest, h.q[i*h.ldq:], h.ldq, m, h.dim)
		d.product(m, dimWords, keysPadded, q, ldq, keys, scores, lds, nil, compute.Identity)
		var total [queryTiles * kernel.MaxMR]float32
		for r := range m {
			total[r] = d.set.SoftmaxRow(weights[r*ldw:r*ldw+keyWords], scores[r*lds:r*lds+h.keys], h.scale)
		}
		d.product(m, keyWords, dimPadded, weights, ldw, values, sums, dimPadded, nil, compute.Identity)
		for r := range m {
			d.set.Scale(h.out[(i+r)*h.ldo:(i+r)*h.ldo+h.dim], sums[r*dimPadded:r*dimPadded+h.dim], 1/total[r])
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
