package registry

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBackOff(t *testing.T) {
	t.Parallel()
	b := Options{}.withDefaults().BackOff
	for n, full := range map[int]time.Duration{
		1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 3: time.Second, 6: 8 * time.Second,
		7: 15 * time.Second, 8: 15 * time.Second, 1 << 40: 15 * time.Second,
	} {
		seen := map[time.Duration]bool{}
		for range 100 {
			d := b.delay(n)
			require.LessOrEqual(t, d, full)
			require.GreaterOrEqual(t, d, full/2)
			seen[d] = true
		}
		require.Greater(t, len(seen), 1, "no jitter")
	}
	require.Equal(t, time.Minute, Options{BackOff: BackOff{Initial: time.Minute}}.withDefaults().BackOff.Max)
}

// A long time of readiness pays off earlier failures.
func TestBackOffBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, server := newFake()
		server.setDown(errDown)
		stop := start(t, reg, newFakeAgent("a"))
		time.Sleep(5 * time.Minute)
		server.setDown(nil)
		require.NoError(t, reg.WaitReady(t.Context()))
		time.Sleep(time.Minute)
		server.worker(t).options.OnFatalError(errDown)
		synctest.Wait()
		began := time.Now()
		require.NoError(t, reg.WaitReady(t.Context()))
		require.LessOrEqual(t, time.Since(began), time.Second)
		require.NoError(t, stop())
	})
}
