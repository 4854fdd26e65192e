package scgpt

import (
	"context"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/lease"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// leaseOf returns the right to use a device, which all agents of this process,
// and with a folder those of other ones, share.
func (a *Agent) leaseOf(device string) (*lease.Lease, error) {
	return lease.New("device "+device, lease.Options{
		Dir: a.opts.Lease, Agent: a.Name(),
		// The activity's own heartbeats go on while it waits.
		Heartbeat: func(context.Context, lease.Wait) {},
	})
}

// useDevice runs f when it is its turn. What takes memory or opens files belongs
// into f: waiting holds neither.
func (a *Agent) useDevice(ctx context.Context, b *beats, f func() error) error {
	b.waiting.Store(true)
	release, err := a.device.Acquire(ctx)
	b.waiting.Store(false)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	defer release()
	return f()
}

// beats are the heartbeats of an activity. They tell how far it is.
type beats struct {
	done, total atomic.Int64
	waiting     atomic.Bool
	stop        func()
}

func newBeats(ctx context.Context) *beats {
	b := &beats{}
	b.stop = agent.KeepAlive(ctx, func() api.Beat {
		return api.Beat{Done: int(b.done.Load()), Total: int(b.total.Load()), Waiting: b.waiting.Load()}
	})
	return b
}

// progress is told the number of cells done.
func (b *beats) progress(done int) { b.done.Store(int64(done)) }
