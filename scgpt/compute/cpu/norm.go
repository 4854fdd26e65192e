package cpu

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// elementBlock is the number of rows of a task that reads and writes each
// number once.
const elementBlock = 64

func (d *device) AddLayerNorm(ctx context.Context, dst, a, b compute.Tensor, n compute.Norm) error {
	const op = "AddLayerNorm"
	if err := compute.CheckAddLayerNorm(dst, a, b, n); err != nil {
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
	x, err := d.floats(op, "source", a)
	if err != nil {
		return err
	}
	var y []float32
	if b != nil {
		if y, err = d.floats(op, "second source", b); err != nil {
			return err
		}
	}
	gamma, err := d.floats(op, "gamma", n.Gamma)
	if err != nil {
		return err
	}
	beta, err := d.floats(op, "beta", n.Beta)
	if err != nil {
		return err
	}
	cols := dst.Cols()
	return d.rows(ctx, dst.Rows(), elementBlock, func(_, from, end int) {
		for r := from; r < end; r++ {
			i, j := r*cols, (r+1)*cols
			var second []float32
			if y != nil {
				second = y[i:j]
			}
			d.set.AddNorm(to[i:j], x[i:j], second, gamma, beta, n.Eps)
		}
	})
}

func (d *device) Normalize(ctx context.Context, dst, src, mean, scale, shift compute.Tensor) error {
	const op = "Normalize"
	if err := compute.CheckNormalize(dst, src, mean, scale, shift); err != nil {
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
	x, err := d.floats(op, "source", src)
	if err != nil {
		return err
	}
	m, err := d.floats(op, "mean", mean)
	if err != nil {
		return err
	}
	s, err := d.floats(op, "scale", scale)
	if err != nil {
		return err
	}
	b, err := d.floats(op, "shift", shift)
	if err != nil {
		return err
	}
	cols := dst.Cols()
	return d.rows(ctx, dst.Rows(), elementBlock, func(_, from, end int) {
		for r := from; r < end; r++ {
			row, in := to[r*cols:(r+1)*cols], x[r*cols:(r+1)*cols]
			for j, v := range in {
				row[j] = float32((v-m[j])*s[j]) + b[j]
			}
		}
	})
}
