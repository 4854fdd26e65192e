package scgpt

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// Describe implements agent.Describer: the loaded models, the device class, and of
// an accelerator what it says of itself.
func (a *Agent) Describe(context.Context) map[string]string {
	dev := a.dev.Load()
	if dev == nil {
		return nil
	}
	details := map[string]string{"device": (*dev).Class()}
	if m := a.models.Load(); m != nil {
		if names := m.names.Load(); names != nil {
			details["models"] = strings.Join(*names, ", ")
		}
	}
	about := pairs(a.accelerator())
	for i := 0; i < len(about); i += 2 {
		details["device_"+about[i].(string)] = fmt.Sprint(about[i+1])
	}
	return details
}

// accelerator asks the device what it is. It is nil for a CPU, and for a device
// that does not answer any more.
func (a *Agent) accelerator() *api.Accelerator {
	dev := a.dev.Load()
	if dev == nil {
		return nil
	}
	d, ok := (*dev).(compute.Describer)
	if !ok {
		return nil
	}
	about, err := d.Describe()
	if err != nil {
		a.log.Warn("the device does not say what it is", "error", err)
		return nil
	}
	return &api.Accelerator{
		Name: about.Name, MemoryUsed: about.MemoryUsed, MemoryTotal: about.MemoryTotal, Driver: about.Driver, Runtime: about.Runtime,
	}
}

// pairs are names and values for a log.
func pairs(acc *api.Accelerator) []any {
	if acc == nil {
		return nil
	}
	return []any{
		"name", acc.Name, "memory_used_mb", acc.MemoryUsed >> 20, "memory_total_mb", acc.MemoryTotal >> 20,
		"driver", acc.Driver, "runtime", acc.Runtime,
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
