package cpu

import (
	"context"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func (d *device) Read(ctx context.Context, dst []float32, src compute.Tensor) error {
	if err := compute.CheckRead(dst, src); err != nil {
		return err
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.end()
	from, err := d.floats("Read", "source", src)
	if err != nil {
		return err
	}
	copy(dst, from)
	return nil
}
