package scgpt

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A run that other programs slowed down does not count against the device.
func TestSpeedIsTheBest(t *testing.T) {
	var s speedometer
	require.Equal(t, 10e9, s.flops())
	for _, c := range []struct {
		operations float64
		took       time.Duration
		want       float64
	}{
		{1e9, time.Second, 1e9}, {1e9, time.Minute, 1e9}, {4e9, 2 * time.Second, 2e9}, {1e9, time.Second, 2e9},
		{1e6, 0, 1e12}, // less than the clock can tell
	} {
		s.learn(c.operations, c.took)
		require.InEpsilon(t, c.want, s.flops(), 1e-9)
	}
}
