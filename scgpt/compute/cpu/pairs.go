package cpu

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

// Rows of a cell are multiplied two by two where that saves multiplications (see
// kernel.GemmPairs): its first with its second and so on, and the last of an odd
// number with zeros. A row's result depends on the other of its pair, and so on the
// cell alone.

// pairList holds the first row of each pair, and behind them the number of rows. A
// pair has a second row unless the next pair begins there.
type pairList []int32

func pairsOf(offsets []int32) pairList {
	pairs := make(pairList, 0, int(offsets[len(offsets)-1])/2+len(offsets))
	for i, first := range offsets[:len(offsets)-1] {
		for ; first < offsets[i+1]; first += 2 {
			pairs = append(pairs, first)
		}
	}
	return append(pairs, offsets[len(offsets)-1])
}

func (p pairList) count() int { return len(p) - 1 }

// rows returns the first row of pair i and the number of its rows.
func (p pairList) rows(i int) (first, n int) { return int(p[i]), min(2, int(p[i+1]-p[i])) }

// pairLayer is a linear layer for pairs of rows.
type pairLayer struct {
	packedLayer
	sums  []float32
	shift []float32 // of the bias, panel by panel: the second's of two less the first's
}

// paired reports whether a matrix is for products of pairs of rows.
func (d *device) paired(w compute.Matrix) bool {
	m, ok := w.(*matrix)
	if !ok || m.dev != d {
		return false
	}
	data := m.data.Load()
	return data != nil && len(*data) > d.set.PackedLen(m.out, m.in)
}

// pairLayer returns a layer whose matrix is paired.
func (d *device) layerOfPairs(l packedLayer) pairLayer {
	p := pairLayer{packedLayer: l, sums: l.panels[d.set.PackedLen(l.cols, l.in):]}
	if l.bias == nil {
		return p
	}
	nr := d.set.NR
	p.shift = make([]float32, l.cols/2)
	for i := range p.shift {
		first := i/nr*2*nr + i%nr
		p.shift[i] = l.bias[first+nr] - l.bias[first]
	}
	return p
}

// rowPairs is some pairs as the kernels read them.
type rowPairs struct {
	pairs   int
	factors []float32
	scratch []float32
	zeros   []float32
}

// pairScratch is what carvePairs takes; depth is the largest of its products.
func (d *device) pairScratch(pairs, depth int) int {
	return kernel.PairFactorsLen(pairs, depth) + d.set.PairScratch(pairs) + depth
}

func (d *device) carvePairs(buf *scratch, pairs, depth int) rowPairs {
	b := rowPairs{
		pairs: pairs, factors: buf.carve(kernel.PairFactorsLen(pairs, depth)),
		scratch: buf.carve(d.set.PairScratch(pairs)), zeros: buf.carve(depth),
	}
	clear(b.zeros)
	return b
}

// pairFactors lays out pair p of some; rows is one or two rows of k numbers.
func (d *device) pairFactors(b rowPairs, p int, rows []float32, k int) {
	second := b.zeros[:k]
	if len(rows) > k {
		second = rows[k:]
	}
	d.set.PairFactors(b.factors, p, b.pairs, rows[:k], second)
}

// pairProduct computes columns c0 to c0+cols-1 of the block's rows: row 2·i and
// 2·i+1 of dst are pair i's.
func (d *device) pairProduct(b rowPairs, l pairLayer, c0, cols int, dst []float32, ldd int, act compute.Activation) {
	wide, k := 2*d.set.NR, l.in
	flags := flagsOf(act)
	for j := c0; j < c0+cols; j += wide {
		var bias, shift []float32
		if l.bias != nil {
			bias, shift = l.bias[j:j+wide/2], l.shift[j/2:j/2+wide/2]
		}
		d.set.GemmPairs(b.pairs, k, b.factors, l.panels[j*k:(j+wide)*k], l.sums[j*k:(j+wide)*k], dst[j-c0:], ldd, bias, shift, b.scratch, flags)
	}
}

// pairBlock pairs are the most of a task of a product.
const pairBlock = 56

// linearIn is Linear, by pairs of the rows of cells where they are given and the
// weights are paired.
func (d *device) linearIn(ctx context.Context, cells compute.Layout, dst, src compute.Tensor, w compute.Linear, act compute.Activation) error {
	if cells == nil || !d.paired(w.Weight) {
		return d.Linear(ctx, dst, src, w.Weight, w.Bias, act)
	}
	const op = "Linear"
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.end()
	to, from, packed, err := d.linearOperands(op, dst, src, w)
	if err != nil {
		return err
	}
	offsets, err := d.offsets(op, cells)
	if err != nil {
		return err
	}
	l, pairs := d.layerOfPairs(packed), pairsOf(offsets)

	k, blocks := l.in, d.rowBlocks(pairs.count(), pairBlock)
	colBlock := d.colBlock(len(blocks)-1, l.cols, 2*d.set.NR)
	colBlocks := (l.cols + colBlock - 1) / colBlock
	return d.parallel(ctx, (len(blocks)-1)*colBlocks, func(thread, i int, _ func() bool) {
		p0, c0 := blocks[i/colBlocks], i%colBlocks*colBlock
		n, cols := blocks[i/colBlocks+1]-p0, min(colBlock, l.cols-c0)
		buf := scratch{d.scratchFor(thread, d.pairScratch(n, k)+2*n*cols)}
		b, tile := d.carvePairs(&buf, n, k), buf.carve(2*n*cols)
		for p := range n {
			first, rows := pairs.rows(p0 + p)
			d.pairFactors(b, p, from[first*k:(first+rows)*k], k)
		}
		d.pairProduct(b, l, c0, cols, tile, cols, act)
		for p := range n {
			first, rows := pairs.rows(p0 + p)
			for r := range rows {
				copy(to[(first+r)*l.cols+c0:][:cols], tile[(2*p+r)*cols:])
			}
		}
	})
}
