package cpu

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

// depthBlock cuts the sums, so that a panel of weights (64 KiB) is read from
// near by for all rows of a block. It does not change results: partial sums are
// stored and taken up again as they are.
const depthBlock = 512

func (d *device) Linear(ctx context.Context, dst, src compute.Tensor, w compute.Matrix, bias compute.Tensor, act compute.Activation) error {
	const op = "Linear"
	if err := compute.CheckLinear(dst, src, w, bias, act); err != nil {
		return err
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.end()
	to, from, l, err := d.linearOperands(op, dst, src, compute.Linear{Weight: w, Bias: bias})
	if err != nil {
		return err
	}
	n, k, out, padded, nr := src.Rows(), l.in, l.cols, l.padded, d.set.NR
	words := d.set.Words(k)

	rowBlocks := d.rowBlocks(n, rowBlock)
	colBlock := d.colBlock(len(rowBlocks)-1, padded, nr)
	colBlocks := (padded + colBlock - 1) / colBlock
	return d.parallel(ctx, (len(rowBlocks)-1)*colBlocks, func(thread, i int, _ func() bool) {
		r0, r1 := rowBlocks[i/colBlocks], rowBlocks[i/colBlocks+1]
		rows := r1 - r0
		c0 := i % colBlocks * colBlock
		cols := min(colBlock, padded-c0)
		b := l.panels[c0*words : (c0+cols)*words]
		var s []float32
		if l.bias != nil {
			s = l.bias[c0 : c0+cols]
		}
		width := min(cols, out-c0)
		tile, ld := to[r0*out+c0:], out
		buf := scratch{d.scratchFor(thread, rows*(d.factorStride(k)+cols))}
		if width < cols {
			// The kernels write whole panels.
			tile, ld = buf.carve(rows*cols), cols
		}
		a, lda := d.factors(&buf, from[r0*k:], k, rows, k)
		d.product(rows, words, cols, a, lda, b, tile, ld, s, act)
		for r := range rows {
			row := to[(r0+r)*out+c0:][:width]
			if width < cols {
				copy(row, tile[r*ld:])
			}
			if act == compute.Sigmoid {
				sigmoid(row)
			}
		}
	})
}

func (d *device) linearOperands(op string, dst, src compute.Tensor, w compute.Linear) (to, from []float32, l packedLayer, err error) {
	if to, err = d.floats(op, "destination", dst); err != nil {
		return nil, nil, l, err
	}
	if from, err = d.floats(op, "source", src); err != nil {
		return nil, nil, l, err
	}
	l, err = d.layer(op, w)
	return to, from, l, err
}

// colBlock returns how many columns of a product a task computes, a multiple of
// width: all, unless blocks of rows are so few that threads would be without one.
func (d *device) colBlock(rowBlocks, cols, width int) int {
	rowBlocks = max(1, rowBlocks)
	if rowBlocks >= 4*d.threads || d.threads == 1 {
		return cols
	}
	parts := (4*d.threads + rowBlocks - 1) / rowBlocks
	return max(1, cols/width/parts) * width
}

// factors returns m rows of k numbers as the kernels' first operand, in scratch
// memory of m·factorStride(k) numbers, and the distance between them.
func (d *device) factors(buf *scratch, rows []float32, ld, m, k int) (a []float32, lda int) {
	lda = d.factorStride(k)
	a = buf.carve(m * lda)
	d.set.Factors(a, lda, rows, ld, m, k)
	return a, lda
}

// factorStride is the distance between rows of k factors.
func (d *device) factorStride(k int) int { return kernel.Stride(d.set.Words(k)) }

// product computes rows × cols of a packed product; k is in words, cols a
// multiple of the panel width. It runs on the calling thread.
func (d *device) product(rows, k, cols int, a []float32, lda int, panels, c []float32, ldc int, bias []float32, act compute.Activation) {
	nr := d.set.NR
	for k0 := 0; k0 < k; k0 += depthBlock {
		depth := min(depthBlock, k-k0)
		var flags kernel.Flags
		if k0 > 0 {
			flags |= kernel.Accumulate
		}
		if k0+depth == k {
			flags |= flagsOf(act)
		}
		for j := 0; j < cols; j += nr {
			panel := panels[j*k+k0*nr : j*k+(k0+depth)*nr]
			var start []float32
			if bias != nil {
				start = bias[j : j+nr]
			}
			d.set.Gemm(rows, depth, a[k0:], lda, panel, c[j:], ldc, start, flags)
		}
	}
}

// flagsOf returns how the kernels apply an activation, if they do.
func flagsOf(act compute.Activation) kernel.Flags {
	switch act {
	case compute.ReLU:
		return kernel.ReLU
	case compute.LeakyReLU:
		return kernel.LeakyReLU
	}
	return 0
}

func sigmoid(x []float32) {
	for i, v := range x {
		x[i] = 1 / (1 + kernel.Exp(-v))
	}
}
