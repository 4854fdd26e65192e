package cpu

import (
	"math/bits"
	"sync"
	"unsafe"
)

// alignedFloats returns n zeroed numbers that begin on a cache line, so that
// no vector load crosses one.
func alignedFloats(n int) []float32 {
	const line = 64
	s := make([]float32, n+line/4)
	skip := 0
	if r := uintptr(unsafe.Pointer(unsafe.SliceData(s))) % line; r != 0 {
		skip = int(line-r) / 4
	}
	return s[skip : skip+n : skip+n]
}

// keepFree bounds the freed buffers that wait for their next use.
const keepFree = 16

// freeList keeps freed buffers: a forward pass asks for the same few sizes
// again and again, and fresh memory costs a page fault for every 4 KiB.
type freeList struct {
	mu   sync.Mutex
	free [][]float32
}

// get returns a buffer of n numbers with undefined content.
func (l *freeList) get(n int) []float32 {
	if n == 0 {
		return []float32{}
	}
	size := roundUp(n)
	l.mu.Lock()
	for i, b := range l.free {
		if cap(b) == size {
			last := len(l.free) - 1
			l.free[i], l.free[last] = l.free[last], nil
			l.free = l.free[:last]
			l.mu.Unlock()
			return b[:n]
		}
	}
	l.mu.Unlock()
	return alignedFloats(size)[:n]
}

// put takes a buffer back. Once the list is full, the oldest goes to the
// garbage collector.
func (l *freeList) put(b []float32) {
	if cap(b) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) == keepFree {
		copy(l.free, l.free[1:])
		l.free = l.free[:keepFree-1]
	}
	l.free = append(l.free, b)
}

func (l *freeList) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = nil
}

// roundUp rounds a size up to a multiple of an eighth of its power of two, so
// that batches of nearly the same size share buffers.
func roundUp(n int) int {
	step := max(1024, 1<<max(0, bits.Len(uint(n))-4))
	return (n + step - 1) / step * step
}
