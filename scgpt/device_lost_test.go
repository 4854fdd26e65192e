package scgpt

import (
	"errors"
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
