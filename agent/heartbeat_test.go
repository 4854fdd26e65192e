package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Beats are never more than a second apart, and end with the activity.
func TestKeepAliveBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		stop := keepAlive(t.Context(), func() { at = append(at, time.Since(start)) })
		<-time.After(2*HeartbeatInterval + HeartbeatInterval/2)
		stop()
		want := []time.Duration{0, HeartbeatInterval, 2 * HeartbeatInterval, 2*HeartbeatInterval + HeartbeatInterval/2}
		require.Equal(t, want, at)
		require.LessOrEqual(t, HeartbeatInterval, time.Second)
	})
}

func TestKeepAliveEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		beats := 0
		stop := keepAlive(ctx, func() { beats++ })
		cancel()
		<-time.After(time.Minute)
		require.Equal(t, 1, beats)
		stop()
		require.Equal(t, 2, beats, "the last beat tells the end")
	})
}
