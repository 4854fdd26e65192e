//go:build cuda

package cuda

import (
	"context"
	"sync"
	"unsafe"

	"gorgonia.org/cu"
)

// staging copies between the caller's memory and the GPU through pinned memory:
// the caller's slices are its own again at once, and the copies queue like any
// work.
type staging struct {
	up   [4]segment // used in turn
	next int
	mu   sync.Mutex
	down []*segment // free ones
	all  []*segment
}

// segment is pinned memory with an event behind its last use.
type segment struct {
	at    unsafe.Pointer
	event cu.Event
	used  bool
}

const segmentBytes = 4 << 20

func (s *staging) start(d *core) error {
	for i := range s.up {
		if err := s.up[i].start(d); err != nil {
			return err
		}
		s.all = append(s.all, &s.up[i])
	}
	return nil
}

func (g *segment) start(d *core) error {
	var code int
	if g.at, code = hostAlloc(segmentBytes); code != 0 {
		g.at = nil
		return d.checkCode(code, "cuMemAllocHost(%d bytes)", segmentBytes)
	}
	var err error
	g.event, err = cu.MakeEvent(cu.DisableTiming | cu.BlockingSyncEvent)
	return d.check(err, "cuEventCreate")
}

// upload queues a copy of bytes from the caller's memory.
func (d *core) upload(to uint64, from unsafe.Pointer, bytes int64) error {
	for done := int64(0); done < bytes; done += segmentBytes {
		n := min(segmentBytes, bytes-done)
		g := &d.staging.up[d.staging.next]
		d.staging.next = (d.staging.next + 1) % len(d.staging.up)
		if g.used {
			if err := g.event.Synchronize(); err != nil {
				return d.check(err, "cuEventSynchronize")
			}
		}
		copy(unsafe.Slice((*byte)(g.at), n), unsafe.Slice((*byte)(unsafe.Add(from, done)), n))
		if err := cu.MemcpyHtoDAsync(cu.DevicePtr(to)+cu.DevicePtr(done), g.at, n, d.stream); err != nil {
			return d.check(err, "cuMemcpyHtoDAsync(%d bytes)", n)
		}
		if err := g.event.Record(d.stream); err != nil {
			return d.check(err, "cuEventRecord")
		}
		g.used = true
	}
	return nil
}

// uploadSlice queues a copy of a slice.
func uploadSlice[T any](d *core, to uint64, from []T) error {
	if len(from) == 0 {
		return nil
	}
	return d.upload(to, unsafe.Pointer(unsafe.SliceData(from)), int64(len(from))*int64(unsafe.Sizeof(from[0])))
}

// download copies from the GPU once the work queued before is done. It is
// called outside the device's thread, which goes on meanwhile.
func (d *device) download(ctx context.Context, to []float32, prepare func() (uint64, error)) error {
	s := &d.staging
	g := s.take()
	defer func() { s.give(g) }()
	const perSegment = segmentBytes / 4
	var from uint64
	for done := 0; done < len(to); done += perSegment {
		n := min(perSegment, len(to)-done)
		err := d.run(ctx, func() error {
			if g == nil {
				var err error
				if g, err = s.fresh(d.core); err != nil {
					return err
				}
			}
			if done == 0 {
				var err error
				if from, err = prepare(); err != nil {
					return err
				}
			}
			if err := cu.MemcpyDtoHAsync(g.at, cu.DevicePtr(from)+cu.DevicePtr(4*done), int64(4*n), d.stream); err != nil {
				return d.check(err, "cuMemcpyDtoHAsync(%d bytes)", 4*n)
			}
			return d.check(g.event.Record(d.stream), "cuEventRecord")
		})
		if err != nil {
			return err
		}
		// The queue is short, so that this ends soon even if the context has.
		err = d.waiter.do(context.Background(), func() error { return d.check(g.event.Synchronize(), "cuEventSynchronize") })
		if err != nil {
			return err
		}
		copy(to[done:done+n], unsafe.Slice((*float32)(g.at), n))
	}
	return nil
}

// take returns a free segment for downloads, nil if there is none.
func (s *staging) take() *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.down)
	if n == 0 {
		return nil
	}
	g := s.down[n-1]
	s.down = s.down[:n-1]
	return g
}

func (s *staging) give(g *segment) {
	if g != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.down = append(s.down, g)
	}
}

// fresh returns a new segment. On the device's thread.
func (s *staging) fresh(d *core) (*segment, error) {
	g := new(segment)
	s.all = append(s.all, g) // released at Close, whole or not
	return g, g.start(d)
}

// fetch queues the copy of a few numbers. On the device's thread.
func (d *core) fetch(from uint64, n int) (*segment, error) {
	g := d.staging.take()
	if g == nil {
		var err error
		if g, err = d.staging.fresh(d); err != nil {
			return nil, err
		}
	}
	if err := cu.MemcpyDtoHAsync(g.at, cu.DevicePtr(from), int64(4*n), d.stream); err != nil {
		d.staging.give(g)
		return nil, d.check(err, "cuMemcpyDtoHAsync(%d bytes)", 4*n)
	}
	return g, d.check(g.event.Record(d.stream), "cuEventRecord")
}

// finish waits for what was fetched.
func (d *core) finish(g *segment, to []float32) error {
	defer d.staging.give(g)
	err := d.waiter.do(context.Background(), func() error { return d.check(g.event.Synchronize(), "cuEventSynchronize") })
	if err == nil {
		copy(to, unsafe.Slice((*float32)(g.at), len(to)))
	}
	return err
}

func (s *staging) release(d *core) (err error) {
	note := func(e error) {
		if err == nil {
			err = e
		}
	}
	for _, g := range s.all {
		if g.event != (cu.Event{}) {
			note(d.check(cu.DestroyEvent(&g.event), "cuEventDestroy"))
		}
		if g.at != nil {
			note(d.checkCode(hostFree(g.at), "cuMemFreeHost"))
		}
	}
	s.all, s.down = nil, nil
	return err
}
