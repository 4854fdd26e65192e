package computetest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/compute/computetest"
)

// The judge obeys the rules that it judges by.
func TestReference(t *testing.T) {
	t.Parallel()
	computetest.Run(t, computetest.Config{Open: func(opts compute.Options) (compute.Device, error) {
		return compute.Open("reference", opts)
	}})
}

func TestReferenceRefuses(t *testing.T) {
	t.Parallel()
	_, err := compute.Open("reference:fast", compute.Options{})
	require.ErrorContains(t, err, "fast")
	_, err = compute.Open("reference", compute.Options{Precision: compute.BF16})
	require.ErrorContains(t, err, "available: fp32")
}
