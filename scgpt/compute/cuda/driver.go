//go:build cuda

package cuda

import (
	"context"
	"errors"
	"fmt"

	"gorgonia.org/cu"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func init() { compute.Register("cuda", driver{}) }

type driver struct{}

// Rank puts a GPU before the CPU.
func (driver) Rank() int { return 100 }

// Open takes the GPU's number and options; see the package comment.
func (driver) Open(text string, opts compute.Options) (compute.Device, error) {
	c, err := parseConfig(text)
	if err != nil {
		return nil, err
	}
	precision := opts.Precision
	if precision == "" {
		precision = compute.FP32
	}
	switch precision {
	case compute.FP32, compute.TF32, compute.BF16:
	default:
		return nil, fmt.Errorf("precision %q is not available on this device; available: %s, %s, %s", precision, compute.FP32, compute.TF32, compute.BF16)
	}
	if opts.Threads < 0 {
		return nil, fmt.Errorf("option Threads is %d, want 0 or more", opts.Threads)
	}
	count, err := cu.NumDevices()
	if err != nil {
		return nil, fmt.Errorf("cuDeviceGetCount: %w", err)
	}
	if c.ordinal >= count {
		return nil, fmt.Errorf("there is no GPU %d; this machine has %d, from 0", c.ordinal, count)
	}
	d := &device{core: &core{config: c, precision: precision, thread: newThread(), label: fmt.Sprintf("cuda:%d", c.ordinal)}}
	if err := d.thread.do(context.Background(), d.start); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}
