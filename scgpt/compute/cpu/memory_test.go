package cpu

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestAlignedFloats(t *testing.T) {
	t.Parallel()
	for n := range 100 {
		x := alignedFloats(n)
		require.Len(t, x, n)
		require.Equal(t, n, cap(x))
		require.Zero(t, uintptr(unsafe.Pointer(unsafe.SliceData(x)))%64)
	}
}

func TestFreeListReuses(t *testing.T) {
	t.Parallel()
	var l freeList
	first := l.get(10_000)
	l.put(first)
	second := l.get(9_990)
	require.Same(t, unsafe.SliceData(first), unsafe.SliceData(second), "nearly the same size")
	require.Zero(t, l.numbers)
	l.put(second)
	require.NotSame(t, unsafe.SliceData(first), unsafe.SliceData(l.get(100)), "far too large")
	require.NotSame(t, unsafe.SliceData(first), unsafe.SliceData(l.get(100_000)), "too small")
	require.Same(t, unsafe.SliceData(first), unsafe.SliceData(l.get(6_000)), "at most twice too large")
}

func TestFreeListIsBounded(t *testing.T) {
	t.Parallel()
	var l freeList
	l.put(make([]float32, keepNumbers+1))
	require.Empty(t, l.free, "one that alone exceeds the bound")
	for range 3 * keepBuffers {
		l.put(make([]float32, 1024))
	}
	require.Len(t, l.free, keepBuffers)
	for range 5 {
		l.put(make([]float32, keepNumbers/4))
	}
	total := 0
	for _, b := range l.free {
		total += cap(b)
	}
	require.Equal(t, l.numbers, total)
	require.LessOrEqual(t, total, keepNumbers)
	l.drop()
	require.Zero(t, l.numbers)
}

func TestRoundUp(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 1023, 1024, 1025, 9_999, 1 << 20, 1<<20 + 1, 123_456_789} {
		size := roundUp(n)
		require.GreaterOrEqual(t, size, n)
		require.LessOrEqual(t, size, n+max(1024, n/4))
		require.Equal(t, size, roundUp(size))
	}
}
