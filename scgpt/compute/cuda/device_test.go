//go:build cuda

package cuda_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// deviceName is the device that the tests open; TROUPE_CUDA_DEVICE names
// another one, with options such as those that suit a simulated device.
func deviceName() string {
	if name := os.Getenv("TROUPE_CUDA_DEVICE"); name != "" {
		return name
	}
	return "cuda:0"
}

// simulated reports whether the device is the simulated one of the folder sim.
func simulated(t *testing.T) bool {
	dev, err := compute.Open(deviceName(), compute.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	about, err := dev.(compute.Describer).Describe()
	require.NoError(t, err)
	return strings.HasPrefix(about.Name, "Simulated")
}
