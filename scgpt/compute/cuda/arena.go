package cuda

import (
	"slices"
	"sync"
)

// arena hands out device memory from slabs, so that a forward pass allocates
// nothing from the driver. Memory that was given back is used again at once:
// that is safe because all work runs in the order of one stream.
type arena struct {
	// alloc and free ask the driver; only the device's thread may call them.
	alloc func(bytes int64) (uint64, error)
	free  func(at uint64) error
	limit int64 // bytes that slabs may take together
	slab  int64 // usual size of a slab; 0: each block is a slab of its own

	mu    sync.Mutex
	slabs []*slab
	taken int64 // bytes of slabs
	used  int64 // bytes of blocks
}

// slab is one allocation of the driver. spans cover it without gaps, in order.
type slab struct {
	at    uint64
	bytes int64
	spans []span
}

type span struct {
	from, bytes int64
	used        bool
}

// block is memory that the arena handed out. The zero value is no memory.
type block struct {
	at    uint64
	bytes int64
}

// alignment of blocks; CUDA's own is 256.
const alignment = 512

// size returns what a block of that many bytes takes: an allocation of its own
// ends where the block ends, so that what checks the driver's allocations sees an
// overrun.
func (a *arena) size(bytes int64) int64 {
	if a.slab == 0 {
		return bytes
	}
	return aligned(bytes)
}

func aligned(n int64) int64 { return (n + alignment - 1) / alignment * alignment }

// take returns a block from the slabs that are there, or false.
func (a *arena) take(bytes int64) (block, bool) {
	if bytes == 0 {
		return block{}, true
	}
	need := a.size(bytes)
	a.mu.Lock()
	defer a.mu.Unlock()
	// The span that fits best: smallest, then first.
	var best *slab
	at := 0
	for _, s := range a.slabs {
		if a.slab == 0 {
			break
		}
		for i, sp := range s.spans {
			if !sp.used && sp.bytes >= need && (best == nil || sp.bytes < best.spans[at].bytes) {
				best, at = s, i
			}
		}
	}
	if best == nil {
		return block{}, false
	}
	sp := best.spans[at]
	best.spans[at] = span{sp.from, need, true}
	if rest := sp.bytes - need; rest > 0 {
		best.spans = slices.Insert(best.spans, at+1, span{sp.from + need, rest, false})
	}
	a.used += need
	return block{best.at + uint64(sp.from), need}, true
}

// takeNew returns a block in a slab of its own for a start. On the device's
// thread. It returns false if the memory is not there; exact makes the slab no
// larger than the block.
func (a *arena) takeNew(bytes int64, exact bool) (block, bool, error) {
	need := a.size(bytes)
	sizes := []int64{max(need, a.slab), need}
	if exact || sizes[0] == need {
		sizes = sizes[1:]
	}
	for _, size := range sizes {
		a.mu.Lock()
		fits := a.taken+size <= a.limit
		a.mu.Unlock()
		if !fits {
			continue
		}
		at, err := a.alloc(size)
		if isOutOfMemory(err) {
			continue
		}
		if err != nil {
			return block{}, false, err
		}
		s := &slab{at: at, bytes: size, spans: []span{{0, need, true}}}
		if rest := size - need; rest > 0 {
			s.spans = append(s.spans, span{need, rest, false})
		}
		a.mu.Lock()
		a.slabs = append(a.slabs, s)
		a.taken += size
		a.used += need
		a.mu.Unlock()
		return block{at, need}, true, nil
	}
	return block{}, false, nil
}

// put takes a block back.
func (a *arena) put(b block) {
	if b.bytes == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.slabs {
		if b.at < s.at || b.at >= s.at+uint64(s.bytes) {
			continue
		}
		i, found := slices.BinarySearchFunc(s.spans, int64(b.at-s.at), func(sp span, from int64) int { return int(min(1, max(-1, sp.from-from))) })
		if !found || !s.spans[i].used {
			panic("cuda: a block of device memory was given back twice")
		}
		s.spans[i].used = false
		a.used -= s.spans[i].bytes
		if i+1 < len(s.spans) && !s.spans[i+1].used {
			s.spans[i].bytes += s.spans[i+1].bytes
			s.spans = slices.Delete(s.spans, i+1, i+2)
		}
		if i > 0 && !s.spans[i-1].used {
			s.spans[i-1].bytes += s.spans[i].bytes
			s.spans = slices.Delete(s.spans, i, i+1)
		}
		return
	}
}

// trim gives slabs without blocks back to the driver. On the device's thread,
// when no queued work uses them.
func (a *arena) trim() (err error) {
	a.mu.Lock()
	var empty []*slab
	a.slabs = slices.DeleteFunc(a.slabs, func(s *slab) bool {
		if len(s.spans) == 1 && !s.spans[0].used {
			empty = append(empty, s)
			a.taken -= s.bytes
			return true
		}
		return false
	})
	a.mu.Unlock()
	for _, s := range empty {
		if e := a.free(s.at); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// drop gives everything back to the driver; blocks that are still out there
// must not be used any more. On the device's thread.
func (a *arena) drop() (err error) {
	a.mu.Lock()
	slabs := a.slabs
	a.slabs, a.taken, a.used = nil, 0, 0
	a.mu.Unlock()
	for _, s := range slabs {
		if e := a.free(s.at); e != nil && err == nil {
			err = e
		}
	}
	return err
}

func (a *arena) inUse() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used
}
