package cpu

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

var _ compute.LayerFinisher = (*device)(nil)

// finishBlock is the largest number of rows of a task of FinishLayer: with 512
// columns, what the task reads and writes is half a megabyte.
const finishBlock = 56

// finishPairBlock is the largest number of pairs of one: that is 0.8 MB.
const finishPairBlock = 42

// FinishLayer takes some rows through all steps, so that what lies between them
// stays in a core's L2.
func (d *device) FinishLayer(ctx context.Context, h, attended compute.Tensor, cells compute.Layout, l compute.LayerTail) error {
	const op = "FinishLayer"
	if err := compute.CheckFinishLayer(h, attended, cells, l); err != nil {
		return err
	}
	var offsets []int32
	if cells != nil {
		var err error
		if offsets, err = d.offsets(op, cells); err != nil {
			return err
		}
	}
	if !d.paired(l.Out.Weight) || !d.paired(l.Up.Weight) || !d.paired(l.Down.Weight) {
		cells = nil
	}
	n := h.Rows()
	if n < 2*d.threads*d.set.MR {
		return d.finishStepwise(ctx, h, attended, cells, l)
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.end()
	x, err := d.floats(op, "destination", h)
	if err != nil {
		return err
	}
	from, err := d.floats(op, "source", attended)
	if err != nil {
		return err
	}
	out, err := d.layer(op, l.Out)
	if err != nil {
		return err
	}
	up, err := d.layer(op, l.Up)
	if err != nil {
		return err
	}
	down, err := d.layer(op, l.Down)
	if err != nil {
		return err
	}
	norm1, err := d.norm(op, l.Norm1)
	if err != nil {
		return err
	}
	norm2, err := d.norm(op, l.Norm2)
	if err != nil {
		return err
	}
	t := layerTail{cols: h.Cols(), x: x, attended: from, out: out, up: up, down: down, norm1: norm1, norm2: norm2}
	if cells == nil {
		return d.finishRows(ctx, n, t)
	}
	return d.finishPairs(ctx, pairsOf(offsets), t)
}

// layerTail is the operands of FinishLayer.
type layerTail struct {
	cols          int
	x, attended   []float32
	out, up, down packedLayer
	norm1, norm2  packedNorm
}

func (d *device) finishRows(ctx context.Context, n int, t layerTail) error {
	out, up, down, x, cols := t.out, t.up, t.down, t.x, t.cols
	blocks := d.rowBlocks(n, finishBlock)
	factors := d.factorStride(max(out.in, up.in, down.in))
	return d.parallel(ctx, len(blocks)-1, func(thread, i int, stopped func() bool) {
		r0, r1 := blocks[i], blocks[i+1]
		rows := r1 - r0
		buf := scratch{d.scratchFor(thread, rows*(out.padded+up.padded+factors))}
		projected, hidden := buf.carve(rows*out.padded), buf.carve(rows*up.padded)
		step := func(l packedLayer, dst, src []float32, ld int, act compute.Activation) {
			rest := buf
			a, lda := d.factors(&rest, src, ld, rows, l.in)
			d.product(rows, d.set.Words(l.in), l.padded, a, lda, l.panels, dst, l.padded, l.bias, act)
		}
		addNorm := func(n packedNorm) {
			for r := range rows {
				row := x[(r0+r)*cols : (r0+r+1)*cols]
				d.set.AddNorm(row, row, projected[r*out.padded:r*out.padded+cols], n.gamma, n.beta, n.eps)
			}
		}
		step(out, projected, t.attended[r0*out.in:], out.in, compute.Identity)
		addNorm(t.norm1)
		if stopped() {
			return
		}
		step(up, hidden, x[r0*cols:], cols, compute.ReLU)
		step(down, projected, hidden, up.padded, compute.Identity)
		addNorm(t.norm2)
	})
}

// finishPairs is finishRows by pairs of rows.
func (d *device) finishPairs(ctx context.Context, pairs pairList, t layerTail) error {
	out, up, down, cols := d.layerOfPairs(t.out), d.layerOfPairs(t.up), d.layerOfPairs(t.down), t.cols
	blocks := d.rowBlocks(pairs.count(), finishPairBlock)
	depth, ld := max(out.in, up.in, down.in), kernel.Stride(max(cols, up.cols))
	return d.parallel(ctx, len(blocks)-1, func(thread, i int, stopped func() bool) {
		p0 := blocks[i]
		n := blocks[i+1] - p0
		buf := scratch{d.scratchFor(thread, d.pairScratch(n, depth)+2*n*ld)}
		b := d.carvePairs(&buf, n, depth)
		y := buf.carve(2 * n * ld) // of each product
		load := func(src []float32, k int) {
			for p := range n {
				first, rows := pairs.rows(p0 + p)
				d.pairFactors(b, p, src[first*k:(first+rows)*k], k)
			}
		}
		addNorm := func(norm packedNorm) {
			for p := range n {
				first, rows := pairs.rows(p0 + p)
				for r := range rows {
					row := t.x[(first+r)*cols : (first+r+1)*cols]
					d.set.AddNorm(row, row, y[(2*p+r)*ld:][:cols], norm.gamma, norm.beta, norm.eps)
				}
			}
		}
		load(t.attended, out.in)
		d.pairProduct(b, out, 0, cols, y, ld, compute.Identity)
		addNorm(t.norm1)
		if stopped() {
			return
		}
		load(t.x, cols)
		d.pairProduct(b, up, 0, up.cols, y, ld, compute.ReLU)
		for p := range n {
			_, rows := pairs.rows(p0 + p)
			second := b.zeros[:up.cols]
			if rows == 2 {
				second = y[(2*p+1)*ld:][:up.cols]
			}
			d.set.PairFactors(b.factors, p, n, y[2*p*ld:][:up.cols], second)
		}
		d.pairProduct(b, down, 0, cols, y, ld, compute.Identity)
		addNorm(t.norm2)
	})
}

// finishStepwise is for few rows, where the threads share the columns of each
// product.
func (d *device) finishStepwise(ctx context.Context, h, attended compute.Tensor, cells compute.Layout, l compute.LayerTail) error {
	projected, err := d.NewTensor(h.Rows(), h.Cols())
	if err != nil {
		return err
	}
	defer projected.Free()
	hidden, err := d.NewTensor(h.Rows(), l.Up.Weight.Out())
	if err != nil {
		return err
	}
	defer hidden.Free()
	for _, step := range []func() error{
		func() error { return d.linearIn(ctx, cells, projected, attended, l.Out, compute.Identity) },
		func() error { return d.AddLayerNorm(ctx, h, h, projected, l.Norm1) },
		func() error { return d.linearIn(ctx, cells, hidden, h, l.Up, compute.ReLU) },
		func() error { return d.linearIn(ctx, cells, projected, hidden, l.Down, compute.Identity) },
		func() error { return d.AddLayerNorm(ctx, h, h, projected, l.Norm2) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// packedLayer is a linear layer as the kernels read it: whole panels, with as
// many numbers in the bias as columns in them.
type packedLayer struct {
	in, cols, padded int
	panels, bias     []float32
}

func (d *device) layer(op string, l compute.Linear) (packedLayer, error) {
	panels, err := d.panels(op, l.Weight)
	if err != nil {
		return packedLayer{}, err
	}
	p := packedLayer{in: l.Weight.In(), cols: l.Weight.Out(), panels: panels}
	p.padded = (p.cols + d.set.NR - 1) / d.set.NR * d.set.NR
	if l.Bias == nil {
		return p, nil
	}
	bias, err := d.floats(op, "bias", l.Bias)
	if err != nil {
		return packedLayer{}, err
	}
	p.bias = bias
	if p.cols < p.padded {
		p.bias = append(make([]float32, 0, p.padded), bias...)[:p.padded]
	}
	return p, nil
}

type packedNorm struct {
	gamma, beta []float32
	eps         float32
}

func (d *device) norm(op string, n compute.Norm) (packedNorm, error) {
	gamma, err := d.floats(op, "gamma", n.Gamma)
	if err != nil {
		return packedNorm{}, err
	}
	beta, err := d.floats(op, "beta", n.Beta)
	return packedNorm{gamma, beta, n.Eps}, err
}
