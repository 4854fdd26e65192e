//go:build cuda

package cuda_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// onGPU skips a test of what a simulated device cannot show.
func onGPU(t *testing.T) {
	if simulated(t) {
		t.Skip("only a GPU shows this")
	}
}

// A kernel that reads and writes where it may not is an asynchronous fault: the call that
// queued it succeeds, and the next one that waits hears of it.
func TestLostGPU(t *testing.T) {
	onGPU(t)
	out := runChild(t, 0, faultVariable+"=1")
	require.Contains(t, out, "lost, and stays lost")
	require.Contains(t, out, "process must be restarted")
	require.Contains(t, out, "CUDA error 700")
}

// Two devices on one GPU believe that they may have most of its memory. The one
// that comes too late hears that there is none, and goes on once there is.
func TestMemoryOfTheGPU(t *testing.T) {
	onGPU(t)
	open := func() compute.Device {
		dev, err := compute.Open(deviceName(), compute.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, dev.Close()) })
		return dev
	}
	first, second := open(), open()
	want, err := layer(second)
	require.NoError(t, err)
	// fill takes tensors of 1 GiB until there is no memory.
	fill := func(dev compute.Device) (tensors []compute.Tensor) {
		const most = 1024
		for range most {
			x, err := dev.NewTensor(1<<19, 512)
			if err != nil {
				var full *compute.OutOfMemoryError
				require.ErrorAs(t, err, &full)
				return tensors
			}
			tensors = append(tensors, x)
		}
		require.Fail(t, "more than 1 TiB of memory")
		return nil
	}
	free := func(tensors []compute.Tensor) {
		for _, x := range tensors {
			x.Free()
		}
	}
	alone := fill(first)
	rest := fill(second)
	require.Less(t, len(rest), len(alone)/2)
	t.Logf("%d GiB for the first device, %d GiB for the second one", len(alone), len(rest))
	free(rest)
	free(alone)
	require.NoError(t, first.Close())
	got, err := layer(second)
	require.NoError(t, err)
	require.Equal(t, want, got)
	again := fill(second)
	require.Greater(t, len(again), len(alone)/2)
	free(again)
}
