//go:build cuda

package cuda

import (
	"gorgonia.org/cu"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// pace keeps the queue of work on the GPU short: an operation that its context
// ends, and a Read behind it, must not wait for seconds of work queued before.
// It knows only estimates, and stops the host when some slices of work are
// queued.
type pace struct {
	rate   float64 // floating-point operations per second, a low estimate
	queued float64 // estimated seconds since the last event
	events []cu.Event
	used   []bool
	next   int
}

const (
	slice = 0.015 // seconds
	depth = 4
	// flopsPerByte is what moving a byte costs in terms of arithmetic.
	flopsPerByte = 4
)

func (p *pace) start(d *core, clockKHz int) error {
	if clockKHz <= 0 {
		clockKHz = 1_000_000
	}
	// 128 lanes with a multiplication and an addition each, a quarter of
	// which is reached at the least; tensor cores do several times that.
	p.rate = float64(d.sms) * float64(clockKHz) * 1000 * 256 / 4
	switch d.precision {
	case compute.TF32:
		p.rate *= 2
	case compute.BF16:
		p.rate *= 6
	}
	for range depth {
		e, err := cu.MakeEvent(cu.DisableTiming | cu.BlockingSyncEvent)
		if err != nil {
			return d.check(err, "cuEventCreate")
		}
		p.events, p.used = append(p.events, e), append(p.used, false)
	}
	return nil
}

// spend notes queued work and waits if there is too much of it.
func (p *pace) spend(d *core, flops float64) error {
	p.queued += flops / p.rate
	if p.queued < slice {
		return nil
	}
	p.queued = 0
	e := p.events[p.next]
	if p.used[p.next] {
		if err := e.Synchronize(); err != nil {
			return d.check(err, "cuEventSynchronize")
		}
	}
	p.used[p.next] = true
	p.next = (p.next + 1) % len(p.events)
	return d.check(e.Record(d.stream), "cuEventRecord")
}

func (p *pace) release(d *core) (err error) {
	for i := range p.events {
		if e := d.check(cu.DestroyEvent(&p.events[i]), "cuEventDestroy"); err == nil {
			err = e
		}
	}
	p.events = nil
	return err
}
