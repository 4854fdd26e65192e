package agent

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
)

// HeartbeatInterval is how often [KeepAlive] beats. The server hears of each
// beat only if the worker's MaxHeartbeatThrottleInterval is no longer.
const HeartbeatInterval = 500 * time.Millisecond

// KeepAlive records a heartbeat with the details that f returns, at once and
// then every [HeartbeatInterval], until the returned function is called, which
// beats once more. f is called from another goroutine. A cancellation of the
// activity arrives with the answers to heartbeats: without them an activity
// never hears of it.
func KeepAlive[T any](ctx context.Context, f func() T) (stop func()) {
	return keepAlive(ctx, func() { activity.RecordHeartbeat(ctx, f()) })
}

func keepAlive(ctx context.Context, beat func()) (stop func()) {
	beat()
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(HeartbeatInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				beat()
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		beat()
	}
}
