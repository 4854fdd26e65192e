//go:build cuda

package cuda

import (
	"time"

	"gorgonia.org/cu"
)

// OpTime says what the operations of one kind took on the GPU.
type OpTime struct {
	Calls int
	Time  time.Duration
}

// Profiler is implemented by this package's devices. It measures with events
// around every operation, which costs little but is not for everyday use.
type Profiler interface {
	// StartProfile begins to measure.
	StartProfile() error
	// StopProfile waits for queued work and returns the time on the GPU by
	// operation.
	StopProfile() (map[string]OpTime, error)
}

type profile struct {
	on    bool
	marks []mark
}

// mark is an operation between two events.
type mark struct {
	op       string
	from, to cu.Event
}

func (d *device) StartProfile() error {
	return d.run(backgroundContext, func() error {
		d.profile.on = true
		return nil
	})
}

func (d *device) StopProfile() (times map[string]OpTime, err error) {
	err = d.run(backgroundContext, func() error {
		d.profile.on = false
		times = make(map[string]OpTime)
		if err := d.check(d.stream.Synchronize(), "cuStreamSynchronize"); err != nil {
			return err
		}
		for i := range d.profile.marks {
			m := &d.profile.marks[i]
			ms, err := m.from.Elapsed(m.to)
			if err != nil {
				return d.check(err, "cuEventElapsedTime")
			}
			t := times[m.op]
			t.Calls++
			t.Time += time.Duration(ms * float64(time.Millisecond))
			times[m.op] = t
		}
		return d.dropMarks()
	})
	return times, err
}

func (d *core) dropMarks() error {
	for i := range d.profile.marks {
		m := &d.profile.marks[i]
		if err := d.check(cu.DestroyEvent(&m.from), "cuEventDestroy"); err != nil {
			return err
		}
		if err := d.check(cu.DestroyEvent(&m.to), "cuEventDestroy"); err != nil {
			return err
		}
	}
	d.profile.marks = nil
	return nil
}

// timed runs an operation between two events if a profile is wanted.
func (d *core) timed(op string, f func() error) error {
	if !d.profile.on {
		return f()
	}
	m := mark{op: op}
	var err error
	if m.from, err = cu.MakeEvent(cu.DefaultEvent); err != nil {
		return d.check(err, "cuEventCreate")
	}
	if m.to, err = cu.MakeEvent(cu.DefaultEvent); err != nil {
		return d.check(err, "cuEventCreate")
	}
	d.profile.marks = append(d.profile.marks, m)
	if err := d.check(m.from.Record(d.stream), "cuEventRecord"); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return d.check(m.to.Record(d.stream), "cuEventRecord")
}
