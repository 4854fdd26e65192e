//go:build cuda

package cuda_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/compute/computetest"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cuda"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	longCell := 0
	if simulated(t) {
		longCell = 300
	}
	for _, p := range []struct {
		precision compute.Precision
		tolerance float64
		rounding  float64
	}{
		{compute.FP32, 1e-6, 0},
		{compute.TF32, 1e-3, 0},
		{compute.BF16, 1e-2, 1.0 / 256},
	} {
		t.Run(string(p.precision), func(t *testing.T) {
			computetest.Run(t, computetest.Config{
				Tolerance: p.tolerance,
				Rounding:  p.rounding,
				LongCell:  longCell,
				Open: func(opts compute.Options) (compute.Device, error) {
					opts.Precision = p.precision
					return compute.Open(deviceName(), opts)
				},
			})
		})
	}
}
