package cpu

import (
	"cmp"
	"runtime"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/compute/computetest"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tolerances are those of computetest: a product of rounded factors is off by
// twice their half unit, 2⁻⁸, of the terms, and a sum of attention weights by
// that of its own factors once more; what bf16x3 leaves out is 2⁻¹⁶.
var tolerances = map[string]float64{"fp32": 0, "bf16": 0x1p-7, "bf16x3": 0x1p-15}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, set := range slices.Concat(kernel.Sets(), kernel.Unlisted()) {
		t.Run(set.Name+"/"+set.Precision, func(t *testing.T) {
			t.Parallel()
			computetest.Run(t, computetest.Config{
				Open: func(opts compute.Options) (compute.Device, error) {
					return newDevice(set, cmp.Or(opts.Threads, runtime.GOMAXPROCS(0))), nil
				},
				Tolerance: tolerances[set.Precision],
			})
		})
	}
}
