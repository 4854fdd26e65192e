//go:build cuda

package cuda_test

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// failVariable tells the simulated device what fails, from the time when its
// first user opens it; see sim/README.md.
const failVariable = "TROUPE_SIM_FAIL"

// openFailing opens the simulated device, with one allocation for each tensor,
// in which something fails.
func openFailing(t *testing.T, failure string, opts compute.Options) (compute.Device, error) {
	t.Helper()
	t.Setenv(failVariable, failure)
	dev, err := compute.Open(deviceName()+",arena=off", opts)
	if err == nil {
		t.Cleanup(func() { require.NoError(t, dev.Close()) })
	}
	return dev, err
}

func requireSimulated(t *testing.T) {
	t.Helper()
	if !simulated(t) {
		t.Skip("failures can be had from a simulated device only")
	}
}

// TestFailures: each failure ends as the right error, and what can go on goes
// on. Leaks end the process, for the simulation looks for them at Close.
func TestFailures(t *testing.T) {
	requireSimulated(t)
	linear := func(ctx context.Context, dev compute.Device) error {
		x, err := dev.Upload(3, 64, make([]float32, 3*64))
		if err != nil {
			return err
		}
		defer x.Free()
		w, err := dev.UploadMatrix(64, 64, make([]float32, 64*64))
		if err != nil {
			return err
		}
		defer w.Free()
		y, err := dev.NewTensor(3, 64)
		if err != nil {
			return err
		}
		defer y.Free()
		if err := dev.Linear(ctx, y, x, w, nil, compute.Sigmoid); err != nil {
			return err
		}
		return dev.Read(ctx, make([]float32, 3*64), y)
	}
	for name, test := range map[string]struct {
		failure string
		lost    bool
		want    []string
	}{
		"launch refused":   {"cuLaunchKernel#1=701", false, []string{"launch of", "701"}},
		"product refused":  {"cublasLtMatmul#1=13", false, []string{"cublasLtMatmul(", "64 to 64", "cuBLAS error 13 (execution failed)"}},
		"illegal address":  {"kernel#1=700", true, []string{"must be restarted", "700"}},
		"misaligned":       {"kernel#1=716", true, []string{"must be restarted", "716"}},
		"device gone":      {"cuEventSynchronize#1=999", true, []string{"must be restarted", "999"}},
		"copy refused":     {"cuMemcpyHtoDAsync#1=1", false, []string{"cuMemcpyHtoDAsync(", "CUDA error 1 "}},
		"no pinned memory": {"cuMemHostAlloc#5=2", false, []string{"cuMemAllocHost(", "CUDA error 2 "}},
	} {
		t.Run(name, func(t *testing.T) {
			dev, err := openFailing(t, test.failure, compute.Options{})
			require.NoError(t, err)
			err = linear(t.Context(), dev)
			require.Error(t, err)
			for _, part := range test.want {
				require.ErrorContains(t, err, part)
			}
			require.ErrorContains(t, err, "Simulated", "names the device")
			var lost *compute.DeviceLostError
			if test.lost {
				require.ErrorAs(t, err, &lost)
				require.ErrorAs(t, linear(t.Context(), dev), &lost, "from then on")
			} else {
				require.NotErrorAs(t, err, &lost)
				require.NoError(t, linear(t.Context(), dev), "afterwards")
			}
		})
	}
}

func TestOutOfMemory(t *testing.T) {
	requireSimulated(t)
	t.Setenv("TROUPE_SIM_MEMORY", "64")
	dev, err := compute.Open(deviceName(), compute.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	x, err := dev.NewTensor(1<<20, 8)
	require.NoError(t, err)
	_, err = dev.NewTensor(1<<20, 8)
	var full *compute.OutOfMemoryError
	require.ErrorAs(t, err, &full)
	require.Equal(t, int64(32<<20), full.Need)
	require.Positive(t, full.Used)
	require.Equal(t, "OutOfMemoryError", full.ErrorType())
	x.Free()
	y, err := dev.NewTensor(1<<20, 8)
	require.NoError(t, err, "after the first one is freed")
	y.Free()
}

// One allocation that fails is tried again.
func TestAllocationFailsOnce(t *testing.T) {
	requireSimulated(t)
	dev, err := openFailing(t, "cuMemAlloc#3=2", compute.Options{})
	require.NoError(t, err)
	var failures int
	for range 4 {
		x, err := dev.NewTensor(10, 10)
		if err != nil {
			failures++
			var full *compute.OutOfMemoryError
			require.ErrorAs(t, err, &full)
			continue
		}
		x.Free()
	}
	require.LessOrEqual(t, failures, 1)
}

func TestOpenFails(t *testing.T) {
	requireSimulated(t)
	for failure, want := range map[string]string{
		"cuDevicePrimaryCtxRetain=2": "cuDevicePrimaryCtxRetain: CUDA error 2",
		"cuMemAlloc=2":               "out of memory",
		"cublasLtCreate=1":           "cublasLtCreate: cuBLAS error 1 (not initialized)",
		"driver=12020":               "CUDA error 222",
		"cuStreamCreate=1":           "cuStreamCreate: CUDA error 1",
		"cuMemHostAlloc#2=2":         "cuMemAllocHost(",
	} {
		t.Run(failure, func(t *testing.T) {
			_, err := openFailing(t, failure, compute.Options{})
			require.ErrorContains(t, err, want)
		})
	}
	t.Run("an old GPU", func(t *testing.T) {
		t.Setenv("TROUPE_SIM_SM", "75")
		_, err := compute.Open(deviceName(), compute.Options{Precision: compute.BF16})
		require.ErrorContains(t, err, `compute capability 7.5: precision "bf16" needs 8.0 or more`)
		dev, err := compute.Open(deviceName(), compute.Options{})
		require.NoError(t, err)
		require.Contains(t, dev.Class(), "cuda/sm75")
		require.NoError(t, dev.Close())
	})
	_, err := compute.Open("cuda:7", compute.Options{})
	require.ErrorContains(t, err, "there is no GPU 7")
	_, err = compute.Open("cuda", compute.Options{Precision: compute.BF16x3})
	require.ErrorContains(t, err, "available: fp32, tf32, bf16")
}

// The binding ends its program before main where there is no GPU.
func TestNoGPU(t *testing.T) {
	requireSimulated(t)
	cmd := exec.Command(os.Args[0], "-test.run", "^$")
	cmd.Env = append(os.Environ(), failVariable+"=cuInit=100")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "Error in initialization")
}
