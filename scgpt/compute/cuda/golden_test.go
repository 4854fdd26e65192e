//go:build cuda

package cuda_test

import (
	"testing"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/model/modeltest"
)

// TestGoldens compares with the reference implementation's numbers in fp32.
func TestGoldens(t *testing.T) {
	for _, p := range []struct {
		precision compute.Precision
		tolerance float64
	}{
		{compute.FP32, 1e-5},
		{compute.TF32, 3e-2},
		{compute.BF16, 1e-1},
	} {
		t.Run(string(p.precision), func(t *testing.T) {
			modeltest.Goldens(t, modeltest.Config{
				Open: func() (compute.Device, error) {
					return compute.Open(deviceName(), compute.Options{Precision: p.precision})
				},
				Testdata:  "../../../testdata",
				Tolerance: p.tolerance,
			})
		})
	}
}
