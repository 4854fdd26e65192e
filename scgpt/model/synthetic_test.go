package model

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/checkpointtest"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// synthetic describes a checkpoint with random weights.
type synthetic struct{ checkpointtest.Model }

// fullSize has the shape of the whole-human model but for its vocabulary,
// which does not matter to speed.
var fullSize = synthetic{checkpointtest.FullSize(3000)}

// open writes the checkpoint to a folder of the test's and opens it.
func (s synthetic) open(t testing.TB) *checkpoint.Checkpoint {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, s.Write(dir))
	ck, err := checkpoint.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })
	return ck
}

// randomCells packs cells of some lengths, each with <cls> first, with random
// genes and bins.
func randomCells(seed uint64, vocab int, lengths ...int) tokens.Packed {
	rng := rand.New(rand.NewPCG(seed, 7))
	b := tokens.Packed{Offsets: []int32{0}}
	for _, n := range lengths {
		for i := range n {
			id, value := int32(vocab-2), float32(0)
			if i > 0 {
				id, value = rng.Int32N(int32(vocab-3)), float32(1+rng.IntN(50))
			}
			b.IDs, b.Values = append(b.IDs, id), append(b.Values, value)
		}
		b.Offsets = append(b.Offsets, int32(len(b.IDs)))
	}
	return b
}
