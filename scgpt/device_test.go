package scgpt

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func TestDeviceLost(t *testing.T) {
	t.Parallel()
	var told []error
	a := New(Options{OnDeviceLost: func(err error) { told = append(told, err) }})
	var err error
	a.device, err = a.leaseOf("lost in a test")
	require.NoError(t, err)
	require.NoError(t, a.CheckHealth(t.Context()))

	plain := errors.New("a kernel was refused")
	require.ErrorIs(t, a.useDevice(t.Context(), &beats{}, func() error { return plain }), plain)
	require.NoError(t, a.CheckHealth(t.Context()))
	require.Empty(t, told)

	lost := &compute.DeviceLostError{Device: "cuda:0", Cause: errors.New("illegal address")}
	for range 2 {
		require.ErrorIs(t, a.useDevice(t.Context(), &beats{}, func() error { return lost }), lost)
	}
	require.Equal(t, []error{lost}, told, "told once")
	require.ErrorContains(t, a.CheckHealth(t.Context()), "must be restarted")
}

// fakeGPU is a device that says what it is, as a GPU does.
type fakeGPU struct {
	compute.Device
	err error
}

func (fakeGPU) Class() string { return "cuda/sm90/fp32" }

func (d fakeGPU) Describe() (compute.Description, error) {
	return compute.Description{Name: "NVIDIA X", MemoryUsed: 3 << 30, MemoryTotal: 80 << 30, Driver: "13.0", Runtime: "cuBLAS 13.0.2"}, d.err
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	a := New(Options{})
	require.Nil(t, a.Describe(t.Context()), "it has not started")
	use := func(d compute.Device) { a.dev.Store(&d) }
	use(fakeGPU{})
	require.Equal(t, map[string]string{
		"device": "cuda/sm90/fp32", "device_name": "NVIDIA X", "device_memory_used_mb": "3072", "device_memory_total_mb": "81920",
		"device_driver": "13.0", "device_runtime": "cuBLAS 13.0.2",
	}, a.Describe(t.Context()))
	require.Equal(t, "NVIDIA X", a.accelerator().Name)
	use(fakeGPU{err: errors.New("lost")})
	require.Equal(t, map[string]string{"device": "cuda/sm90/fp32"}, a.Describe(t.Context()))
	cpu, err := compute.Open("cpu", compute.Options{})
	require.NoError(t, err)
	defer cpu.Close()
	use(cpu)
	require.Equal(t, map[string]string{"device": cpu.Class()}, a.Describe(t.Context()))
	m := newModels(Options{Models: "../testdata/models"}, slog.New(slog.DiscardHandler), cpu)
	a.models.Store(m)
	require.Equal(t, map[string]string{"device": cpu.Class()}, a.Describe(t.Context()), "none is loaded")
	eng, err := m.get("tiny_scgpt")
	require.NoError(t, err)
	defer eng.Close()
	require.Equal(t, map[string]string{"device": cpu.Class(), "models": "tiny_scgpt"}, a.Describe(t.Context()))
}
