//go:build cuda

package cuda_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func TestOpenRefuses(t *testing.T) {
	_, err := compute.Open("cuda:77", compute.Options{})
	require.ErrorContains(t, err, "there is no GPU 77; this machine has")
	_, err = compute.Open("cuda:0,speed=high", compute.Options{})
	require.ErrorContains(t, err, `unknown option "speed"`)
	_, err = compute.Open("cuda", compute.Options{Precision: compute.BF16x3})
	require.ErrorContains(t, err, "available: fp32, tf32, bf16")
	_, err = compute.Open("cuda", compute.Options{Threads: -1})
	require.ErrorContains(t, err, "option Threads is -1")
}

// Below compute capability 8.0 there are no tensor cores for these types.
func TestOldGPU(t *testing.T) {
	onSimulation(t)
	t.Setenv("TROUPE_SIM_SM", "75")
	for _, p := range []compute.Precision{compute.TF32, compute.BF16} {
		_, err := compute.Open(deviceName(), compute.Options{Precision: p})
		require.ErrorContains(t, err, "compute capability 7.5")
		require.ErrorContains(t, err, "needs 8.0 or more; available: fp32")
	}
	dev, err := compute.Open(deviceName(), compute.Options{})
	require.NoError(t, err)
	require.Contains(t, dev.Class(), "cuda/sm75")
	require.NoError(t, dev.Close())
	_, err = compute.Open(deviceName()+",attention=wgmma", compute.Options{})
	require.ErrorContains(t, err, "attention=wgmma needs 9.0")
}

func TestDescribe(t *testing.T) {
	dev, err := compute.Open(deviceName(), compute.Options{})
	require.NoError(t, err)
	about, err := dev.(compute.Describer).Describe()
	require.NoError(t, err)
	require.NotEmpty(t, about.Name)
	require.Positive(t, about.MemoryUsed)
	require.Greater(t, about.MemoryTotal, about.MemoryUsed)
	require.Regexp(t, `^CUDA \d+\.\d+$`, about.Driver)
	require.Regexp(t, `^cuBLAS [\d.]+, cuDNN (8\.9|9\.\d+)\.\d+, NVRTC [\d.]+$`, about.Runtime)
	require.NoError(t, dev.Close())
	_, err = dev.(compute.Describer).Describe()
	require.Error(t, err)
}
