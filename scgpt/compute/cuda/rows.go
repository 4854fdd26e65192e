//go:build cuda

package cuda

import (
	"context"
	"fmt"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// Kernels that give a warp to each row have eight of them in a block.
const warps = 8

func (d *device) Embed(ctx context.Context, dst compute.Tensor, e compute.Embedding) error {
	const op = "Embed"
	if err := compute.CheckEmbed(dst, e); err != nil {
		return err
	}
	return d.operate(ctx, op, func() error {
		to, err := d.source(op, "destination", dst)
		if err != nil {
			return err
		}
		table, err := d.source(op, "table", e.Table)
		if err != nil {
			return err
		}
		var values view
		if e.Values != nil {
			if values, err = d.source(op, "value table", e.Values); err != nil {
				return err
			}
		}
		n, cols := dst.Rows(), dst.Cols()
		if n == 0 {
			return nil
		}
		d.written(dst)
		// One block of scratch memory: ids, then rows or factors.
		list, err := d.scratch(2*n, float32s)
		if err != nil {
			return err
		}
		defer d.memory.put(list)
		if err := uploadSlice(d.core, list.at, e.IDs); err != nil {
			return err
		}
		var rows, scale uint64
		switch second := list.at + uint64(4*n); {
		case e.Values != nil:
			rows = second
			err = uploadSlice(d.core, second, e.Rows)
		case e.Scale != nil:
			scale = second
			err = uploadSlice(d.core, second, e.Scale)
		}
		if err != nil {
			return err
		}
		err = d.launch("embed", ceil(n, warps), 1, 32*warps, 0,
			to.at, to.kind(), table.at, table.kind(), list.at, values.at, values.kind(), rows, scale, integer(n), integer(cols))
		if err != nil {
			return err
		}
		return d.pace.spend(d.core, flopsPerByte*12*float64(n)*float64(cols))
	})
}

func (d *device) AddLayerNorm(ctx context.Context, dst, a, b compute.Tensor, norm compute.Norm) error {
	const op = "AddLayerNorm"
	if err := compute.CheckAddLayerNorm(dst, a, b, norm); err != nil {
		return err
	}
	return d.operate(ctx, op, func() error {
		to, err := d.source(op, "destination", dst)
		if err != nil {
			return err
		}
		x, err := d.source(op, "source", a)
		if err != nil {
			return err
		}
		y := view{element: x.element}
		if b != nil {
			if y, err = d.source(op, "second source", b); err != nil {
				return err
			}
		}
		gamma, releaseGamma, err := d.vector(op, "gamma", norm.Gamma)
		if err != nil {
			return err
		}
		defer releaseGamma()
		beta, releaseBeta, err := d.vector(op, "beta", norm.Beta)
		if err != nil {
			return err
		}
		defer releaseBeta()
		n, cols := dst.Rows(), dst.Cols()
		if n == 0 {
			return nil
		}
		d.written(dst)
		if cols%256 == 0 && cols <= 1024 && to.element == x.element && x.element == y.element {
			kind := "fp32"
			if x.element == bfloat16s {
				kind = "bf16"
			}
			blocks := min(ceil(n, warps), 8*d.sms)
			err = d.launch(fmt.Sprintf("addnorm_%s_%d", kind, cols), blocks, 1, 32*warps, 0,
				to.at, x.at, y.at, gamma, beta, integer(n), number(float64(norm.Eps)))
		} else {
			err = d.launch("addnorm_any", ceil(n, warps), 1, 32*warps, 0,
				to.at, to.kind(), x.at, x.kind(), y.at, y.kind(), gamma, beta, integer(n), integer(cols), number(float64(norm.Eps)))
		}
		if err != nil {
			return err
		}
		return d.pace.spend(d.core, flopsPerByte*12*float64(n)*float64(cols))
	})
}

func (d *device) Normalize(ctx context.Context, dst, src, mean, scale, shift compute.Tensor) error {
	const op = "Normalize"
	if err := compute.CheckNormalize(dst, src, mean, scale, shift); err != nil {
		return err
	}
	return d.operate(ctx, op, func() error {
		to, err := d.source(op, "destination", dst)
		if err != nil {
			return err
		}
		x, err := d.source(op, "source", src)
		if err != nil {
			return err
		}
		var vectors [3]uint64
		for i, v := range []struct {
			what string
			t    compute.Tensor
		}{{"mean", mean}, {"scale", scale}, {"shift", shift}} {
			at, release, err := d.vector(op, v.what, v.t)
			if err != nil {
				return err
			}
			defer release()
			vectors[i] = at
		}
		n, cols := dst.Rows(), dst.Cols()
		if n == 0 {
			return nil
		}
		d.written(dst)
		err = d.launch("normalize", ceil(n*cols, 256), 1, 256, 0,
			to.at, to.kind(), x.at, x.kind(), vectors[0], vectors[1], vectors[2], integer(n), integer(cols))
		if err != nil {
			return err
		}
		return d.pace.spend(d.core, flopsPerByte*8*float64(n)*float64(cols))
	})
}

func (d *device) Pool(ctx context.Context, dst, src compute.Tensor, cells compute.Layout, weights []float32) error {
	const op = "Pool"
	if err := compute.CheckPool(dst, src, cells, weights); err != nil {
		return err
	}
	return d.operate(ctx, op, func() error {
		to, err := d.source(op, "destination", dst)
		if err != nil {
			return err
		}
		x, err := d.source(op, "source", src)
		if err != nil {
			return err
		}
		l, offsets, err := d.cells(op, cells)
		if err != nil {
			return err
		}
		if l.cells == 0 {
			return nil
		}
		d.written(dst)
		list, err := d.scratch(len(weights), float32s)
		if err != nil {
			return err
		}
		defer d.memory.put(list)
		if err := uploadSlice(d.core, list.at, weights); err != nil {
			return err
		}
		cols := dst.Cols()
		threads := min(512, ceil(cols, 32)*32)
		if err := d.launch("pool", l.cells, 1, threads, 0, to.at, to.kind(), x.at, x.kind(), list.at, offsets, integer(cols)); err != nil {
			return err
		}
		return d.pace.spend(d.core, flopsPerByte*8*float64(l.tokens)*float64(cols))
	})
}

func (d *device) Dot(ctx context.Context, dst, a, b compute.Tensor, cells compute.Layout) error {
	const op = "Dot"
	if err := compute.CheckDot(dst, a, b, cells); err != nil {
		return err
	}
	return d.operate(ctx, op, func() error {
		to, err := d.source(op, "destination", dst)
		if err != nil {
			return err
		}
		x, err := d.source(op, "first source", a)
		if err != nil {
			return err
		}
		y, err := d.source(op, "second source", b)
		if err != nil {
			return err
		}
		l, offsets, err := d.cells(op, cells)
		if err != nil {
			return err
		}
		if l.tokens == 0 {
			return nil
		}
		d.written(dst)
		err = d.launch("dot", ceil(l.tokens, warps), 1, 32*warps, 0,
			to.at, to.kind(), x.at, x.kind(), y.at, y.kind(), offsets, integer(l.cells), integer(l.tokens), integer(a.Cols()))
		if err != nil {
			return err
		}
		return d.pace.spend(d.core, flopsPerByte*8*float64(l.tokens)*float64(a.Cols()))
	})
}

func (d *device) Read(ctx context.Context, dst []float32, src compute.Tensor) error {
	const op = "Read"
	if err := compute.CheckRead(dst, src); err != nil {
		return err
	}
	if len(dst) == 0 {
		return d.run(ctx, func() error {
			_, err := d.source(op, "source", src)
			return err
		})
	}
	var converted block
	defer func() { d.memory.put(converted) }()
	return d.download(ctx, dst, func() (uint64, error) {
		v, err := d.source(op, "source", src)
		if err != nil || v.element == float32s {
			return v.at, err
		}
		b, err := d.scratch(len(dst), float32s)
		if err != nil {
			return 0, err
		}
		converted = b
		return b.at, d.convert(view{at: b.at}, v, len(dst))
	})
}

// Fetch implements compute.Fetcher. What is too large for one segment of pinned
// memory is read when it is asked for.
func (d *device) Fetch(ctx context.Context, src compute.Tensor) (func([]float32) error, error) {
	if src == nil {
		return nil, compute.CheckRead(nil, src)
	}
	n := src.Rows() * src.Cols()
	if n == 0 || 4*n > segmentBytes {
		whole := &device{core: d.core}
		return func(dst []float32) error { return whole.Read(ctx, dst, src) }, nil
	}
	var g *segment
	err := d.run(ctx, func() error {
		v, err := d.source("Read", "source", src)
		if err != nil {
			return err
		}
		// Scratch memory may be used again at once: what follows is behind
		// the copy.
		at, release, err := d.floats(v, n)
		if err != nil {
			return err
		}
		defer release()
		g, err = d.fetch(at, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	return func(dst []float32) error {
		if err := compute.CheckRead(dst, src); err != nil {
			return err
		}
		return d.finish(g, dst)
	}, nil
}
