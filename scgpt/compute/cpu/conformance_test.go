package cpu_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/compute/computetest"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu"
	"github.com/seed-ab6af24b/troupe/scgpt/compute/cpu/internal/kernel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, set := range kernel.Sets() {
		t.Run(set.Name, func(t *testing.T) {
			t.Parallel()
			computetest.Run(t, computetest.Config{Open: func(opts compute.Options) (compute.Device, error) {
				return compute.Open("cpu:"+set.Name, opts)
			}})
		})
	}
}
