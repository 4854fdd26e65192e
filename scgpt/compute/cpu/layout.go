package cpu

import (
	"slices"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

type layout struct {
	dev           *device
	cells, tokens int
	offsets       atomic.Pointer[[]int32]
}

func (l *layout) Cells() int  { return l.cells }
func (l *layout) Tokens() int { return l.tokens }
func (l *layout) Free()       { l.offsets.Store(nil) }

func (d *device) NewLayout(offsets []int32) (compute.Layout, error) {
	if err := compute.CheckOffsets(offsets); err != nil {
		return nil, err
	}
	if d.closed.Load() {
		return nil, errClosed
	}
	own := slices.Clone(offsets)
	l := &layout{dev: d, cells: len(own) - 1, tokens: int(own[len(own)-1])}
	l.offsets.Store(&own)
	return l, nil
}

func (d *device) offsets(op string, l compute.Layout) ([]int32, error) {
	own, ok := l.(*layout)
	if !ok || own.dev != d {
		return nil, foreign(op, "layout")
	}
	offsets := own.offsets.Load()
	if offsets == nil {
		return nil, foreign(op, "layout")
	}
	return *offsets, nil
}
