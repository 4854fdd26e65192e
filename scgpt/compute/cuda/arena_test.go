package cuda

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// bank is a driver's memory: allocations do not touch one another.
type bank struct {
	next uint64
	live map[uint64]int64
	left int64
}

func newArena(t *testing.T, slab, memory int64) (*arena, *bank) {
	b := &bank{next: 1 << 20, live: map[uint64]int64{}, left: memory}
	a := &arena{slab: slab, limit: memory}
	a.alloc = func(bytes int64) (uint64, error) {
		if bytes > b.left {
			return 0, &callError{library: "CUDA", code: codeOutOfMemory}
		}
		at := b.next
		b.next += uint64(aligned(bytes)) + 4096
		b.live[at] = bytes
		b.left -= bytes
		return at, nil
	}
	a.free = func(at uint64) error {
		require.Contains(t, b.live, at, "freed what was not allocated")
		b.left += b.live[at]
		delete(b.live, at)
		return nil
	}
	return a, b
}

func (a *arena) get(t *testing.T, bytes int64) (block, bool) {
	if b, ok := a.take(bytes); ok {
		return b, true
	}
	b, ok, err := a.takeNew(bytes, false)
	require.NoError(t, err)
	return b, ok
}

func TestArenaNeverSharesMemory(t *testing.T) {
	t.Parallel()
	a, bank := newArena(t, 1<<20, 64<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	var live []block
	for range 20_000 {
		if len(live) > 60 || len(live) > 0 && rng.IntN(2) == 0 {
			i := rng.IntN(len(live))
			a.put(live[i])
			live = slices.Delete(live, i, i+1)
			continue
		}
		want := 1 + rng.Int64N(1<<rng.IntN(20))
		b, ok := a.get(t, want)
		require.True(t, ok)
		require.GreaterOrEqual(t, b.bytes, want)
		require.Zero(t, b.at%alignment)
		for _, other := range live {
			require.True(t, b.at >= other.at+uint64(other.bytes) || other.at >= b.at+uint64(b.bytes), "%+v and %+v", b, other)
		}
		inside := false
		for at, bytes := range bank.live {
			inside = inside || b.at >= at && b.at+uint64(b.bytes) <= at+uint64(bytes)
		}
		require.True(t, inside, "%+v is not the driver's", b)
		live = append(live, b)
	}
	for _, b := range live {
		a.put(b)
	}
	require.Zero(t, a.inUse())
	require.NoError(t, a.trim())
	require.Empty(t, bank.live, "slabs without blocks go back")
}

// A forward pass asks for the same sizes again and again.
func TestArenaReusesMemory(t *testing.T) {
	t.Parallel()
	a, bank := newArena(t, 1<<20, 8<<20)
	for range 100 {
		var pass []block
		for _, n := range []int64{300_000, 100_000, 500_000, 100} {
			b, ok := a.get(t, n)
			require.True(t, ok)
			pass = append(pass, b)
		}
		for _, b := range pass {
			a.put(b)
		}
	}
	require.Len(t, bank.live, 1)
}

func TestArenaOutOfMemory(t *testing.T) {
	t.Parallel()
	a, _ := newArena(t, 1<<20, 3<<20)
	big, ok := a.get(t, 2<<20)
	require.True(t, ok)
	_, ok = a.get(t, 2<<20)
	require.False(t, ok, "over the limit")
	a.put(big)
	_, ok = a.get(t, 2<<20)
	require.True(t, ok, "what was given back")

	// The driver may have less than the limit says, but a slab of the exact
	// size.
	a, bank := newArena(t, 1<<20, 16<<20)
	bank.left = 100 << 10
	b, ok := a.get(t, 50<<10)
	require.True(t, ok)
	require.Equal(t, int64(50<<10), b.bytes)
	empty, ok := a.take(0)
	require.True(t, ok)
	a.put(empty)
	a.put(b)
	require.Panics(t, func() { a.put(b) }, "given back twice")
	require.NoError(t, a.drop())
	require.Empty(t, bank.live)
}

func TestArenaOff(t *testing.T) {
	t.Parallel()
	a, bank := newArena(t, 0, 1<<20)
	b, ok := a.get(t, 1001)
	require.True(t, ok)
	require.Equal(t, int64(1001), bank.live[b.at], "the allocation ends with the block")
	a.put(b)
	_, ok = a.take(1001)
	require.False(t, ok)
	require.NoError(t, a.trim())
	require.Empty(t, bank.live)
}
