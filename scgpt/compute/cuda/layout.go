//go:build cuda

package cuda

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// layout holds the offsets of a batch here and on the GPU.
type layout struct {
	dev           *core
	cells, tokens int
	offsets       []int32
	memory        atomic.Pointer[block] // the offsets on the GPU; nil once freed

	// Work lists of attention, by their rows of queries; used on the
	// device's thread.
	all, first *worklist
}

func (l *layout) Cells() int  { return l.cells }
func (l *layout) Tokens() int { return l.tokens }

func (l *layout) Free() {
	b := l.memory.Swap(nil)
	if b == nil || l.dev.closed.Load() {
		return
	}
	l.dev.memory.put(*b)
	for _, w := range []*worklist{l.all, l.first} {
		if w != nil {
			l.dev.memory.put(w.memory)
		}
	}
}

func (d *device) NewLayout(offsets []int32) (compute.Layout, error) {
	if err := compute.CheckOffsets(offsets); err != nil {
		return nil, err
	}
	l := &layout{dev: d.core, offsets: slices.Clone(offsets), cells: len(offsets) - 1, tokens: int(offsets[len(offsets)-1])}
	b, err := d.allocate(4 * int64(len(offsets)))
	if err != nil {
		return nil, err
	}
	if err := d.run(context.Background(), func() error { return uploadSlice(d.core, b.at, l.offsets) }); err != nil {
		d.memory.put(b)
		return nil, err
	}
	l.memory.Store(&b)
	return l, nil
}

// cells returns a layout of this device and where its offsets are on the GPU.
func (d *core) cells(op string, l compute.Layout) (*layout, uint64, error) {
	own, ok := l.(*layout)
	if !ok || own.dev != d {
		return nil, 0, foreign(op, "layout")
	}
	b := own.memory.Load()
	if b == nil {
		return nil, 0, foreign(op, "layout")
	}
	return own, b.at, nil
}

// item is what one block of an attention kernel does for one head: queries
// against all keys of a cell. The kernels read it as an int4.
type item struct {
	key, keys, query, queries int32
}

// worklist is the items of a layout, here and on the GPU.
type worklist struct {
	rows   int // of queries, at most
	items  []item
	memory block
}

// work returns the items of all tokens, at most rows queries each.
func (d *core) work(l *layout, rows int) (*worklist, error) {
	if l.all != nil && l.all.rows != rows {
		d.memory.put(l.all.memory)
		l.all = nil
	}
	if l.all == nil {
		items := make([]item, 0, l.tokens/rows+l.cells)
		for c := range l.cells {
			from, to := l.offsets[c], l.offsets[c+1]
			for at := from; at < to; at += int32(rows) {
				items = append(items, item{from, to - from, at, min(int32(rows), to-at)})
			}
		}
		w, err := d.uploadWork(items, rows)
		if err != nil {
			return nil, err
		}
		l.all = w
	}
	return l.all, nil
}

// firstWork returns the items of the cells' first tokens, whose queries lie
// one after another.
func (d *core) firstWork(l *layout) (*worklist, error) {
	if l.first == nil {
		items := make([]item, l.cells)
		for c := range items {
			items[c] = item{l.offsets[c], l.offsets[c+1] - l.offsets[c], int32(c), 1}
		}
		w, err := d.uploadWork(items, 1)
		if err != nil {
			return nil, err
		}
		l.first = w
	}
	return l.first, nil
}

func (d *core) uploadWork(items []item, rows int) (*worklist, error) {
	b, err := d.allocateHere(16 * int64(len(items)))
	if err != nil {
		return nil, err
	}
	if err := uploadSlice(d, b.at, items); err != nil {
		d.memory.put(b)
		return nil, err
	}
	return &worklist{rows, items, b}, nil
}
