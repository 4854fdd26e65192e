package scgpt

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/lease"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
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
	err = f()
	var lost *compute.DeviceLostError
	if errors.As(err, &lost) && a.lost.CompareAndSwap(nil, lost) {
		a.log.Error("device lost", "error", lost)
		if a.opts.OnDeviceLost != nil {
			a.opts.OnDeviceLost(lost)
		}
	}
	return err
}

// CheckHealth implements agent.HealthChecker: an agent whose device is lost is
// not ready any more.
func (a *Agent) CheckHealth(context.Context) error {
	if lost := a.lost.Load(); lost != nil {
		return lost
	}
	return nil
}

// describe returns what a device says of itself, as pairs for a log; nothing for
// one that has nothing to say.
func describe(dev compute.Device) []any {
	d, ok := dev.(compute.Describer)
	if !ok {
		return nil
	}
	about, err := d.Describe()
	if err != nil {
		return []any{"status", err}
	}
	return []any{
		"name", about.Name, "memory_used_mb", about.MemoryUsed >> 20, "memory_total_mb", about.MemoryTotal >> 20,
		"driver", about.Driver, "runtime", about.Runtime,
	}
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
