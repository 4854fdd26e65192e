package cpu

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/compute/cpu/internal/kernel"
)

const (
	// rowBlock is the number of rows that a task of a product takes: with
	// 512 columns a quarter of a megabyte, which stays in a core's L2.
	rowBlock = 112
	// depthBlock cuts the sums, so that a panel of weights (64 KiB) is read
	// from near by for all rows of a block. It does not change results:
	// partial sums are stored and taken up again as they are.
	depthBlock = 512
)

func (d *device) Linear(ctx context.Context, dst, src compute.Tensor, w compute.Matrix, bias compute.Tensor, act compute.Activation) error {
	const op = "Linear"
	if err := compute.CheckLinear(dst, src, w, bias, act); err != nil {
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
	from, err := d.floats(op, "source", src)
	if err != nil {
		return err
	}
	panels, err := d.panels(op, w)
	if err != nil {
		return err
	}
	n, k, out, nr := src.Rows(), w.In(), w.Out(), d.set.NR
	words := d.set.Words(k)
	padded := (out + nr - 1) / nr * nr
	var start []float32
	if bias != nil {
		if start, err = d.floats(op, "bias", bias); err != nil {
			return err
		}
		start = append(make([]float32, 0, padded), start...)[:padded]
	}

	// Few rows leave threads without a block: then the columns are shared
	// out as well.
	rowTasks := (n + rowBlock - 1) / rowBlock
	colBlock := padded
	if rowTasks < 4*d.threads && d.threads > 1 {
		parts := (4*d.threads + max(1, rowTasks) - 1) / max(1, rowTasks)
		colBlock = max(1, padded/nr/parts) * nr
	}
	colTasks := (padded + colBlock - 1) / colBlock
	return d.parallel(ctx, rowTasks*colTasks, func(thread, i int, _ func() bool) {
		r0 := i / colTasks * rowBlock
		rows := min(rowBlock, n-r0)
		c0 := i % colTasks * colBlock
		cols := min(colBlock, padded-c0)
		b := panels[c0*words : (c0+cols)*words]
		var s []float32
		if start != nil {
			s = start[c0 : c0+cols]
		}
		width := min(cols, out-c0)
		tile, ld := to[r0*out+c0:], out
		buf := scratch{d.scratchFor(thread, rows*(words+cols))}
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

// factors returns m rows of k numbers as the kernels' first operand and the
// distance between them: the rows themselves, or rounded in scratch memory of
// m·Words(k) numbers.
func (d *device) factors(buf *scratch, rows []float32, ld, m, k int) (a []float32, lda int) {
	if d.set.InPlace() {
		return rows, ld
	}
	size := d.set.Words(k)
	a = buf.carve(m * size)
	d.set.Round(a, rows, ld, m, k)
	return a, size
}

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
			switch act {
			case compute.ReLU:
				flags |= kernel.ReLU
			case compute.LeakyReLU:
				flags |= kernel.LeakyReLU
			}
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

func sigmoid(x []float32) {
	for i, v := range x {
		x[i] = 1 / (1 + kernel.Exp(-v))
	}
}
