package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// HeartbeatInterval is how often [KeepAlive] beats. The server hears of each
// beat only if the worker's MaxHeartbeatThrottleInterval is no longer.
const HeartbeatInterval = 500 * time.Millisecond

// KeepAlive records a heartbeat with the details that f returns, at once and
// then every [HeartbeatInterval], until the returned function is called, which
// beats once more; calls after the first do nothing. f is called from another
// goroutine. A cancellation of the activity arrives with the answers to
// heartbeats: without them an activity never hears of it.
//
// A panic of f, or of the SDK for details that cannot be encoded, is an error of
// the activity as one of [Go] is: it cancels the activity's context, for without
// heartbeats the activity would end by its timeout only. In the last beat, when
// the work is done, it is logged; so it is of an activity that is not bound with
// [Activity.To], which then beats no more.
func KeepAlive[T any](ctx context.Context, f func() T) (stop func()) {
	log := func(err error) { activity.GetLogger(ctx).Error("Recording a heartbeat failed", "error", err) }
	fail := log
	if g, ok := ctx.Value(groupKey{}).(*group); ok {
		fail = g.fail
	}
	return keepAlive(ctx, func() { activity.RecordHeartbeat(ctx, f()) }, fail, log)
}

// keepAlive calls beat; fail hears of the first error of one in the background,
// log of one of the last.
func keepAlive(ctx context.Context, beat func(), fail, log func(error)) (stop func()) {
	beat()
	guardedBeat := func() error {
		err := guarded(ctx, func(context.Context) error { beat(); return nil })
		if err != nil {
			err = fmt.Errorf("heartbeat: %w", err)
		}
		return err
	}
	done := make(chan struct{})
	ended := make(chan struct{})
	failed := false // belongs to the goroutine until ended is closed
	go func() {
		defer close(ended)
		ticker := time.NewTicker(HeartbeatInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if err := guardedBeat(); err != nil {
					failed = true
					fail(err)
					return
				}
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(done)
		<-ended
		if failed {
			return
		}
		if err := guardedBeat(); err != nil {
			log(err)
		}
	})
}
