package cpu

import (
	"math/bits"
	"slices"
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

// Bounds of what waits for its next use: buffers and the numbers in them
// (128 MiB, several times what a forward pass of the full-size model takes).
const (
	keepBuffers = 16
	keepNumbers = 32 << 20
)

// freeList keeps freed buffers, the oldest first: a forward pass asks for the
// same few sizes again and again, and fresh memory costs a page fault for every
// 4 KiB.
type freeList struct {
	mu      sync.Mutex
	free    [][]float32
	numbers int
}

// get returns a buffer of n numbers with undefined content: the smallest that
// waits and is at most twice too large, or a new one.
func (l *freeList) get(n int) []float32 {
	if n == 0 {
		return []float32{}
	}
	size := roundUp(n)
	l.mu.Lock()
	best := -1
	for i, b := range l.free {
		if cap(b) >= size && cap(b) <= 2*size && (best < 0 || cap(b) < cap(l.free[best])) {
			best = i
		}
	}
	if best >= 0 {
		b := l.free[best]
		l.remove(best)
		l.mu.Unlock()
		return b[:n]
	}
	l.mu.Unlock()
	return alignedFloats(size)[:n]
}

// put takes a buffer back. What exceeds the bounds goes to the garbage
// collector, the oldest first.
func (l *freeList) put(b []float32) {
	if cap(b) == 0 || cap(b) > keepNumbers {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, b)
	l.numbers += cap(b)
	for len(l.free) > keepBuffers || l.numbers > keepNumbers {
		l.remove(0)
	}
}

// remove takes buffer i off the list; the caller holds mu.
func (l *freeList) remove(i int) {
	l.numbers -= cap(l.free[i])
	l.free = slices.Delete(l.free, i, i+1)
}

func (l *freeList) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free, l.numbers = nil, 0
}

// roundUp rounds a size up to a multiple of an eighth of its power of two, so
// that batches of nearly the same size share buffers.
func roundUp(n int) int {
	step := max(1024, 1<<max(0, bits.Len(uint(n))-4))
	return (n + step - 1) / step * step
}
