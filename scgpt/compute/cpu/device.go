package cpu

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

// With a batch of batchTokens the threads wait little for each other at the end of
// each operation; what a layer of the full-size model (512 columns) reads and
// writes of it, some 32 MB, is still near a last-level cache. Processors with many
// cores need more rows to share out.
const (
	batchTokens     = 8192
	tokensPerThread = 256
)

var errClosed = errors.New("compute: cpu device is closed")

// device runs one operation at a time: the holder of turn owns the scratch
// memory of all threads.
type device struct {
	set     *kernel.Set
	threads int
	turn    chan struct{}
	scratch [][]float32
	memory  freeList
	closed  atomic.Bool
}

var _ compute.Device = (*device)(nil)

func newDevice(set *kernel.Set, threads int) *device {
	return &device{
		set:     set,
		threads: threads,
		turn:    make(chan struct{}, 1),
		scratch: make([][]float32, threads),
	}
}

func (d *device) Class() string { return "cpu/" + d.set.Name + "/" + d.set.Precision }

func (d *device) BatchTokens() int { return max(batchTokens, tokensPerThread*d.threads) }

// begin waits for the device. The caller releases it with end.
func (d *device) begin(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if d.closed.Load() {
		d.end()
		return errClosed
	}
	return nil
}

func (d *device) end() { <-d.turn }

func (d *device) Close() error {
	d.turn <- struct{}{}
	defer d.end()
	d.closed.Store(true)
	d.memory.drop()
	clear(d.scratch)
	return nil
}

// scratchFor returns thread-local memory for n numbers with undefined content.
// The operation in progress owns it.
func (d *device) scratchFor(thread, n int) []float32 {
	if len(d.scratch[thread]) < n {
		d.scratch[thread] = alignedFloats(n)
	}
	return d.scratch[thread][:n]
}

// scratch is memory that is given away piece by piece.
type scratch struct{ left []float32 }

func (s *scratch) carve(n int) []float32 {
	part := s.left[:n:n]
	s.left = s.left[n:]
	return part
}

func foreign(op, what string) error {
	return &compute.ShapeError{Op: op, Problem: fmt.Sprintf("%s is freed or belongs to another device", what)}
}
