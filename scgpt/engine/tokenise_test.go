package engine_test

import (
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// queue is a device that takes several passes at a time, as a GPU does.
type queue struct {
	compute.Device
	inFlight, batch int

	mu     sync.Mutex
	tokens []int // of each pass
}

func (q *queue) InFlight() int    { return q.inFlight }
func (q *queue) BatchTokens() int { return q.batch }

func (q *queue) Sequence(_ context.Context, f func(compute.Device) error) error { return f(q.Device) }

func (q *queue) NewLayout(offsets []int32) (compute.Layout, error) {
	q.mu.Lock()
	q.tokens = append(q.tokens, int(offsets[len(offsets)-1]))
	q.mu.Unlock()
	return q.Device.NewLayout(offsets)
}

func queueing(t *testing.T, inFlight int) (*queue, *engine.Engine) {
	t.Helper()
	// As many cells are tokenised side by side, on any machine.
	before := runtime.GOMAXPROCS(4)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	dev, err := compute.Open("cpu", compute.Options{Threads: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	q := &queue{Device: dev, inFlight: inFlight, batch: 16_384}
	eng, err := engine.Load(filepath.Join(testdata, "models", "tiny_scgpt"), q)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, eng.Close()) })
	return q, eng
}

// A device that queues passes gets cells sooner, tokenised side by side, and what
// it makes of them is the same.
func TestQueueingDevice(t *testing.T) {
	var want *engine.Embeddings
	for _, inFlight := range []int{1, 2} {
		q, eng := queueing(t, inFlight)
		cells := open(t, eng, pbmc, engine.Options{Task: engine.Annotate, Ties: "seeded", Seed: 7})
		q.tokens = nil
		got, err := cells.Embed(t.Context(), 1, cells.Len(), nil)
		require.NoError(t, err)
		if inFlight == 1 {
			want = got
			require.Greater(t, q.tokens[0], q.batch*3/4)
			continue
		}
		require.Equal(t, want, got)
		require.LessOrEqual(t, min(q.tokens[0], q.tokens[1]), q.batch/8, "the first pass")
		slices.Sort(q.tokens)
		largest := q.tokens[len(q.tokens)-1]
		require.Greater(t, largest, q.batch*3/4)
		require.LessOrEqual(t, largest, q.batch)
	}
}

// Of several bad cells the first one is named, whichever was tokenised first.
func TestQueueingDeviceMeetsBadCells(t *testing.T) {
	_, eng := queueing(t, 2)
	good := []string{"5", "3", "1", "2", "4", "1"}
	all := slices.Repeat([][]string{good}, 100)
	for _, c := range []int{10, 20, 70} { // the first two in runs of different goroutines
		all[c] = []string{"5", "3", "-1", "2", "4", "1"}
	}
	cells := open(t, eng, writeCells(t, "real", knownGenes, all...), engine.Options{Task: engine.Embed})
	_, err := cells.Embed(t.Context(), 0, cells.Len(), nil)
	require.ErrorContains(t, err, `cell 10: gene "LYZ" (column 2) has the value -1`)
	_, err = cells.Embed(t.Context(), 21, cells.Len(), nil)
	require.ErrorContains(t, err, "cell 70:")
	_, err = cells.Embed(t.Context(), 21, 70, nil)
	require.NoError(t, err)
}
