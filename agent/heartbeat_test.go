package agent

import (
	"context"
	"fmt"
	"strings"
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
		stop := keepAlive(t.Context(), func() { at = append(at, time.Since(start)) }, nil, nil)
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
		stop := keepAlive(ctx, func() { beats++ }, nil, nil)
		cancel()
		<-time.After(time.Minute)
		require.Equal(t, 1, beats)
		stop()
		require.Equal(t, 2, beats, "the last beat tells the end")
	})
}

// Who stops twice, as with a defer beside a call, is not punished for it.
func TestKeepAliveStopsOnce(t *testing.T) {
	beats := 0
	stop := keepAlive(t.Context(), func() { beats++ }, nil, nil)
	stop()
	stop()
	require.Equal(t, 2, beats)
}

// The first beat fails as any call of the activity does, a later one is told, and the
// work is not lost for the last one.
func TestKeepAliveFailures(t *testing.T) {
	for name, c := range map[string]struct {
		bad          int // the first beat that fails, from 1
		beats        int
		failed, told string
	}{
		"in the background": {2, 2, "heartbeat: panic in a goroutine of the activity: beat 2", ""},
		"the last":          {4, 4, "", "heartbeat: panic in a goroutine of the activity: beat 4"},
		"none":              {9, 4, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				beats, failed, told := 0, "", ""
				first := func(text *string) func(error) {
					return func(err error) {
						require.Empty(t, *text)
						*text, _, _ = strings.Cut(err.Error(), "\n")
					}
				}
				stop := keepAlive(t.Context(), func() {
					if beats++; beats >= c.bad {
						panic(fmt.Sprintf("beat %d", beats))
					}
				}, first(&failed), first(&told))
				<-time.After(2*HeartbeatInterval + HeartbeatInterval/2)
				stop()
				require.Equal(t, c.beats, beats)
				require.Equal(t, c.failed, failed)
				require.Equal(t, c.told, told)
			})
		})
	}
	require.Panics(t, func() { keepAlive(t.Context(), func() { panic("first") }, nil, nil) })
}
