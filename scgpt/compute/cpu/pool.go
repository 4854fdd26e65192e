package cpu

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func (d *device) Pool(ctx context.Context, dst, src compute.Tensor, cells compute.Layout, weights []float32) error {
	const op = "Pool"
	if err := compute.CheckPool(dst, src, cells, weights); err != nil {
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
	offsets, err := d.offsets(op, cells)
	if err != nil {
		return err
	}
	cols := dst.Cols()
	return d.parallel(ctx, cells.Cells(), func(_, c int, _ func() bool) {
		sum := to[c*cols : (c+1)*cols]
		clear(sum)
		for t := int(offsets[c]); t < int(offsets[c+1]); t++ {
			w := weights[t]
			for j, v := range from[t*cols : (t+1)*cols] {
				sum[j] += float32(w * v)
			}
		}
	})
}

func (d *device) Dot(ctx context.Context, dst, a, b compute.Tensor, cells compute.Layout) error {
	const op = "Dot"
	if err := compute.CheckDot(dst, a, b, cells); err != nil {
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
	x, err := d.floats(op, "first source", a)
	if err != nil {
		return err
	}
	y, err := d.floats(op, "second source", b)
	if err != nil {
		return err
	}
	offsets, err := d.offsets(op, cells)
	if err != nil {
		return err
	}
	cols := a.Cols()
	return d.parallel(ctx, cells.Cells(), func(_, c int, _ func() bool) {
		cell := y[c*cols : (c+1)*cols]
		for t := int(offsets[c]); t < int(offsets[c+1]); t++ {
			var sum float64
			for j, v := range x[t*cols : (t+1)*cols] {
				sum += float64(v) * float64(cell[j])
			}
			to[t] = float32(sum)
		}
	})
}
