//go:build cuda

package cuda_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/compute/cuda"
)

// failVariable tells the simulated device which calls fail; see sim/README.md.
const failVariable = "TROUPE_SIM_FAIL"

// onSimulation skips a test where failures cannot be had at will.
func onSimulation(t *testing.T) {
	if !simulated(t) {
		t.Skip("only the simulated device fails on demand")
	}
}

// smallDevice is the device of these tests: blocks of its memory are the
// driver's own, so that each is an allocation that may fail.
func smallDevice() string { return deviceName() + ",arena=off,rows=16" }

// layer runs a bit of everything on a device and returns what it read.
func layer(dev compute.Device) (out []float32, err error) {
	const n, d, heads = 40, 64, 2
	ctx := context.Background()
	do := func(e error) {
		if err == nil {
			err = e
		}
	}
	var free []func()
	defer func() {
		for _, f := range free {
			f()
		}
	}()
	tensor := func(rows, cols int) compute.Tensor {
		if err != nil {
			return nil
		}
		x, e := dev.NewTensor(rows, cols)
		do(e)
		if e == nil {
			free = append(free, x.Free)
		}
		return x
	}
	data := make([]float32, 3*d*d)
	for i := range data {
		data[i] = float32(i%17-8) / 32
	}
	upload := func(rows, cols int) compute.Tensor {
		if err != nil {
			return nil
		}
		x, e := dev.Upload(rows, cols, data[:rows*cols])
		do(e)
		if e == nil {
			free = append(free, x.Free)
		}
		return x
	}
	table, bias, gamma := upload(10, d), upload(1, 3*d), upload(1, d)
	var w compute.Matrix
	var l compute.Layout
	if err == nil {
		var e error
		w, e = dev.UploadMatrix(3*d, d, data)
		do(e)
		if e == nil {
			free = append(free, w.Free)
		}
	}
	if err == nil {
		var e error
		l, e = dev.NewLayout([]int32{0, 30, n})
		do(e)
		if e == nil {
			free = append(free, l.Free)
		}
	}
	h, qkv, attended, pooled := tensor(n, d), tensor(n, 3*d), tensor(n, d), tensor(2, d)
	for _, step := range []func() error{
		func() error { return dev.Embed(ctx, h, compute.Embedding{Table: table, IDs: make([]int32, n)}) },
		func() error { return dev.Linear(ctx, qkv, h, w, bias, compute.Identity) },
		func() error { return dev.Attention(ctx, attended, qkv, l, heads) },
		func() error {
			return dev.AddLayerNorm(ctx, h, h, attended, compute.Norm{Gamma: gamma, Beta: gamma, Eps: 1e-5})
		},
		func() error { return dev.Pool(ctx, pooled, h, l, make([]float32, n)) },
		func() error {
			out = make([]float32, n*d)
			return dev.Read(ctx, out, h)
		},
	} {
		if err == nil {
			do(step())
		}
	}
	return out, err
}

// openWith opens a device whose calls fail as the specification says.
func openWith(t *testing.T, fail string, opts compute.Options) (compute.Device, error) {
	t.Setenv(failVariable, fail)
	return compute.Open(smallDevice(), opts)
}

// Allocations n to n+3 fail, for every n. Open then says so and leaves nothing
// behind (the simulation ends the process at a leak); an operation says it with
// compute.OutOfMemoryError, and once there is memory, the device goes on as if
// nothing had been.
func TestOutOfMemory(t *testing.T) {
	onSimulation(t)
	for _, precision := range []compute.Precision{compute.FP32, compute.BF16} {
		t.Run(string(precision), func(t *testing.T) {
			opts := compute.Options{Precision: precision}
			dev, err := openWith(t, "", opts)
			require.NoError(t, err)
			want, err := layer(dev)
			require.NoError(t, err)
			require.NoError(t, dev.Close())

			inOpen, inUse := 0, 0
			for n := 1; ; n++ {
				dev, err := openWith(t, fmt.Sprintf("cuMemAlloc#%d-%d=2", n, n+3), opts)
				if err != nil {
					require.ErrorContains(t, err, "memory")
					inOpen++
					continue
				}
				got, err := layer(dev)
				failed := err != nil
				for tries := 0; err != nil; tries++ {
					var full *compute.OutOfMemoryError
					require.ErrorAs(t, err, &full, "allocation %d", n)
					require.Positive(t, full.Need)
					require.GreaterOrEqual(t, full.Limit, full.Used)
					require.Less(t, tries, 4)
					inUse++
					got, err = layer(dev)
				}
				require.Equal(t, want, got, "after allocation %d failed", n)
				require.NoError(t, dev.Close())
				if !failed {
					break // there is no n-th allocation
				}
			}
			t.Logf("%d allocations in Open, %d in use", inOpen, inUse)
			require.Greater(t, inUse, 5)
		})
	}
}

// A call that fails without harm to the device is named in the error, whether in
// Open or later, and nothing is left behind.
func TestFailingCalls(t *testing.T) {
	onSimulation(t)
	for _, c := range []struct {
		call string
		code int
		says string
	}{
		{"cuDevicePrimaryCtxRetain", 2, "cuDevicePrimaryCtxRetain"},
		{"cuStreamCreate", 1, "cuStreamCreate"},
		{"cuEventCreate", 1, "cuEventCreate"},
		{"cuMemGetInfo", 1, "cuMemGetInfo"},
		{"cuMemAllocHost", 2, "cuMemAllocHost"},
		{"cuModuleLoadData", 200, "cuModuleLoadData"},
		{"cuModuleGetFunction", 500, "cuModuleGetFunction"},
		{"cuFuncSetAttribute", 1, "cuFuncSetAttribute"},
		{"cublasCreate", 1, "cublasCreate: Failed to initialize"}, // without a number in gorgonia.org/cu
		{"cublasSetStream", 1, "cublasSetStream"},
		{"cublasLtCreate", 1, "cublasLtCreate"},
		{"cublasLtMatmulDescCreate", 3, "product 65536"},
		{"cublasLtMatrixLayoutCreate", 3, "product 65536"},
		{"cublasLtMatmulAlgoGetHeuristic", 15, "cublasLtMatmulAlgoGetHeuristic"},
		{"cublasLtMatmul", 13, "cublasLtMatmul"},
		{"cuLaunchKernel", 701, "launch of "},
		{"cuMemcpyHtoDAsync", 1, "cuMemcpyHtoDAsync"},
		{"cuMemcpyDtoHAsync", 1, "cuMemcpyDtoHAsync"},
		{"cuEventRecord", 1, "cuEventRecord"},
	} {
		t.Run(c.call, func(t *testing.T) {
			dev, err := openWith(t, fmt.Sprintf("%s#1=%d", c.call, c.code), compute.Options{Precision: compute.BF16})
			if err == nil {
				_, err = layer(dev)
				_, again := layer(dev)
				require.NoError(t, again, "after the one failure")
				require.NoError(t, dev.Close())
			}
			require.Error(t, err)
			require.ErrorContains(t, err, c.says)
			if c.call != "cublasCreate" {
				require.ErrorContains(t, err, fmt.Sprintf("error %d", c.code))
			}
			var lost *compute.DeviceLostError
			require.NotErrorAs(t, err, &lost)
		})
	}
}

// childVariable makes TestFailureChild do its work, faultVariable makes a kernel
// of it touch what is no memory.
const (
	childVariable = "TROUPE_CUDA_CHILD"
	faultVariable = "TROUPE_CUDA_FAULT"
)

// A device that is lost stays lost: every call says so and that the process has
// to be restarted, and Close ends. Each case is a process of its own.
func TestLostDevice(t *testing.T) {
	onSimulation(t)
	for _, c := range []struct{ name, fail string }{
		{"illegal address in the first kernel", "kernel#1=700"},
		{"illegal address in a later kernel", "kernel#4=700"},
		{"launch failure", "kernel#2=719"},
		{"memory error", "cuEventSynchronize#1=214"},
		{"gone at a launch", "cuLaunchKernel#3=999"},
		{"gone at an allocation", "cuMemAlloc#6=999"},
		{"gone at a copy", "cuMemcpyHtoDAsync#2=719"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := runChild(t, 0, failVariable+"="+c.fail)
			require.Contains(t, out, "lost, and stays lost")
			require.Contains(t, out, "process must be restarted")
			require.Contains(t, out, c.fail[strings.Index(c.fail, "=")+1:])
		})
	}
}

// A driver that is older than NVRTC refuses its code; without a GPU the binding
// ends the process before main.
func TestUnsuitableDriver(t *testing.T) {
	onSimulation(t)
	out := runChild(t, 0, failVariable+"=driver=12020")
	require.Contains(t, out, "open failed")
	require.Contains(t, out, "CUDA error 222")
	require.Contains(t, out, "cuModuleLoadData")

	out = runChild(t, 1, failVariable+"=cuInit=100")
	require.Contains(t, out, "Error in initialization")
}

func runChild(t *testing.T, exit int, environment ...string) string {
	cmd := exec.Command(os.Args[0], "-test.run=^TestFailureChild$", "-test.v")
	cmd.Env = append(os.Environ(), append(environment, childVariable+"=1")...)
	out, err := cmd.CombinedOutput()
	if exit == 0 {
		require.NoError(t, err, string(out))
	} else {
		var status *exec.ExitError
		require.ErrorAs(t, err, &status, string(out))
		require.Equal(t, exit, status.ExitCode(), string(out))
	}
	return string(out)
}

// TestFailureChild is what the tests above run in a process of its own.
func TestFailureChild(t *testing.T) {
	if os.Getenv(childVariable) == "" {
		t.Skip("it is for TestLostDevice, TestUnsuitableDriver and TestLostGPU")
	}
	dev, err := compute.Open(smallDevice(), compute.Options{})
	if err != nil {
		var lost *compute.DeviceLostError
		if !errors.As(err, &lost) {
			t.Logf("open failed: %v", err)
			return
		}
		t.Logf("lost, and stays lost: %v", err)
		return
	}
	if os.Getenv(faultVariable) != "" {
		require.NoError(t, cuda.TouchNothing(dev))
	}
	_, err = layer(dev)
	var lost *compute.DeviceLostError
	require.ErrorAs(t, err, &lost)
	_, again := layer(dev)
	require.ErrorAs(t, again, &lost)
	_, again = dev.NewTensor(1, 1)
	require.ErrorAs(t, again, &lost)
	_ = dev.Close()
	t.Logf("lost, and stays lost: %v", err)
}
