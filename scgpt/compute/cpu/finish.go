package cpu

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

var _ compute.LayerFinisher = (*device)(nil)

// finishRows is the largest number of rows of a task of FinishLayer: with 512
// columns, what the task reads and writes is half a megabyte.
const finishRows = 56

// FinishLayer takes some rows through all steps, so that what lies between them
// stays in a core's L2.
func (d *device) FinishLayer(ctx context.Context, h, attended compute.Tensor, l compute.LayerTail) error {
	const op = "FinishLayer"
	if err := compute.CheckFinishLayer(h, attended, l); err != nil {
		return err
	}
	n := h.Rows()
	if n < 2*d.threads*d.set.MR {
		return d.finishStepwise(ctx, h, attended, l)
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
	cols := h.Cols()
	blocks := d.rowBlocks(n, finishRows)
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
		step(out, projected, from[r0*out.in:], out.in, compute.Identity)
		addNorm(norm1)
		if stopped() {
			return
		}
		step(up, hidden, x[r0*cols:], cols, compute.ReLU)
		step(down, projected, hidden, up.padded, compute.Identity)
		addNorm(norm2)
	})
}

// finishStepwise is for few rows, where the threads share the columns of each
// product.
func (d *device) finishStepwise(ctx context.Context, h, attended compute.Tensor, l compute.LayerTail) error {
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
		func() error { return d.Linear(ctx, projected, attended, l.Out.Weight, l.Out.Bias, compute.Identity) },
		func() error { return d.AddLayerNorm(ctx, h, h, projected, l.Norm1) },
		func() error { return d.Linear(ctx, hidden, h, l.Up.Weight, l.Up.Bias, compute.ReLU) },
		func() error { return d.Linear(ctx, projected, hidden, l.Down.Weight, l.Down.Bias, compute.Identity) },
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
