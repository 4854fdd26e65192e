//go:build cuda

package cuda

import (
	"errors"
	"time"

	"gorgonia.org/cu"
)

// OpTime says what the operations of one kind took on the GPU.
type OpTime struct {
	Calls int
	Time  time.Duration
}

// Profile says what the GPU did between StartProfile and StopProfile. An operation
// lasts from when the GPU comes to it until it is done: where it waits for the
// host in between, to copy ids for instance, that counts as its own.
type Profile struct {
	// Ops are the operations, by kind.
	Ops map[string]OpTime
	// Before is the time until the first operation began. The others are the
	// gaps between one operation and the next: Launches those that the GPU and
	// the events of the profile take themselves, Waits the longer ones.
	Before, Launches, Waits time.Duration
}

// launchGap is more than the GPU takes from one kernel to the next, with two
// events between them.
const launchGap = 20 * time.Microsecond

// Busy is the time of all operations.
func (p *Profile) Busy() (sum time.Duration) {
	for _, t := range p.Ops {
		sum += t.Time
	}
	return sum
}

// Profiler is implemented by this package's devices. It measures with events
// around every operation, which costs little but is not for everyday use.
type Profiler interface {
	// StartProfile waits for queued work and begins to measure.
	StartProfile() error
	// StopProfile waits for queued work and returns what was measured.
	StopProfile() (*Profile, error)
}

type profile struct {
	on bool
	// begin is when the profile began.
	begin *cu.Event
	marks []mark
}

// mark is an operation between two events.
type mark struct {
	op       string
	from, to cu.Event
}

func (d *device) StartProfile() error {
	return d.run(backgroundContext, func() error {
		if err := d.dropMarks(); err != nil {
			return err
		}
		if err := d.check(d.stream.Synchronize(), "cuStreamSynchronize"); err != nil {
			return err
		}
		begin, err := cu.MakeEvent(cu.DefaultEvent)
		if err != nil {
			return d.check(err, "cuEventCreate")
		}
		d.profile.begin = &begin
		if err := d.check(begin.Record(d.stream), "cuEventRecord"); err != nil {
			return err
		}
		d.profile.on = true
		return nil
	})
}

func (d *device) StopProfile() (p *Profile, err error) {
	err = d.run(backgroundContext, func() error {
		d.profile.on = false
		if err := d.check(d.stream.Synchronize(), "cuStreamSynchronize"); err != nil {
			return err
		}
		p = &Profile{Ops: make(map[string]OpTime)}
		last := d.profile.begin
		for i := range d.profile.marks {
			m := &d.profile.marks[i]
			gap, err := d.between(last, m.from)
			if err != nil {
				return err
			}
			switch {
			case i == 0:
				p.Before = gap
			case gap < launchGap:
				p.Launches += gap
			default:
				p.Waits += gap
			}
			took, err := d.between(&m.from, m.to)
			if err != nil {
				return err
			}
			t := p.Ops[m.op]
			t.Calls++
			t.Time += took
			p.Ops[m.op] = t
			last = &m.to
		}
		return d.dropMarks()
	})
	return p, err
}

// between returns the time from one event to another.
func (d *core) between(from *cu.Event, to cu.Event) (time.Duration, error) {
	ms, err := from.Elapsed(to)
	return time.Duration(ms * float64(time.Millisecond)), d.check(err, "cuEventElapsedTime")
}

func (d *core) dropMarks() error {
	p := &d.profile
	p.on = false
	if p.begin != nil {
		if err := d.check(cu.DestroyEvent(p.begin), "cuEventDestroy"); err != nil {
			return err
		}
		p.begin = nil
	}
	for i := range p.marks {
		m := &p.marks[i]
		if err := d.check(cu.DestroyEvent(&m.from), "cuEventDestroy"); err != nil {
			return err
		}
		if err := d.check(cu.DestroyEvent(&m.to), "cuEventDestroy"); err != nil {
			return err
		}
	}
	p.marks = nil
	return nil
}

// timed runs an operation between two events if a profile is wanted.
func (d *core) timed(op string, f func() error) error {
	if !d.profile.on {
		return f()
	}
	from, err := cu.MakeEvent(cu.DefaultEvent)
	if err != nil {
		return d.check(err, "cuEventCreate")
	}
	to, err := cu.MakeEvent(cu.DefaultEvent)
	if err != nil {
		return errors.Join(d.check(err, "cuEventCreate"), d.check(cu.DestroyEvent(&from), "cuEventDestroy"))
	}
	err = d.check(from.Record(d.stream), "cuEventRecord")
	if err == nil {
		err = f()
	}
	if err == nil {
		err = d.check(to.Record(d.stream), "cuEventRecord")
	}
	if err != nil {
		return errors.Join(err, d.check(cu.DestroyEvent(&from), "cuEventDestroy"), d.check(cu.DestroyEvent(&to), "cuEventDestroy"))
	}
	d.profile.marks = append(d.profile.marks, mark{op, from, to})
	return nil
}
