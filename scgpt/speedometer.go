package scgpt

import (
	"context"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// shardSeconds is the work that a shard should be: little enough that a worker
// lost costs little, much enough that scheduling it costs nothing.
const shardSeconds = 15

// maxShardSeconds keeps a shard well within the activity's start-to-close
// timeout, also on a worker that is half as fast and waits for its device.
const maxShardSeconds = 120

// speedometer holds how fast the device was at best, in floating-point operations
// per second: whatever else the machine does makes a run slower, none faster. It
// sizes shards only: no result depends on it.
type speedometer struct{ bits atomic.Uint64 }

// timedRuns are those of measure. On a busy machine a single one may take many times
// as long as the next.
const timedRuns = 3

// measure runs the model once, which also brings its weights into memory, and then
// with the clock running.
func (s *speedometer) measure(ctx context.Context, eng *engine.Engine) error {
	if err := eng.WarmUp(ctx); err != nil {
		return err
	}
	for range timedRuns {
		start := time.Now()
		if err := eng.WarmUp(ctx); err != nil {
			return err
		}
		s.learn(eng.Cost(1, engine.WarmUpTokens), time.Since(start))
	}
	return nil
}

// learn takes so many operations in so much time for the speed if that is more.
func (s *speedometer) learn(operations float64, took time.Duration) {
	speed := operations / max(took, time.Microsecond).Seconds()
	for {
		old := s.bits.Load()
		if speed <= math.Float64frombits(old) || s.bits.CompareAndSwap(old, math.Float64bits(speed)) {
			return
		}
	}
}

// flops returns the best speed so far, or a cautious guess.
func (s *speedometer) flops() float64 {
	if v := math.Float64frombits(s.bits.Load()); v > 0 {
		return v
	}
	return 10e9
}

// shardCells returns the number of cells that make a shard of shardSeconds, or
// as many as asked for, if that is no more than maxShardSeconds of work.
func (a *Agent) shardCells(eng *engine.Engine, tokensPerCell float64, asked int) int {
	perSecond := a.speed.flops() / max(eng.Cost(1, tokensPerCell), 1)
	n := shardSeconds * perSecond
	if asked > 0 {
		n = min(float64(asked), maxShardSeconds*perSecond)
	}
	return int(max(1, min(n, engine.MaxShardCells)))
}

// baseBytes is what a worker takes beside the model, its batches and results: the
// program and the Go runtime, the Temporal client, buffers of the reader.
const baseBytes = 200 << 20

// estimate says what a plan will take on a worker like this one. What is in Go's
// heap counts twice, since the collector lets it double; pages of the checkpoint's
// file go when the model is loaded.
func (a *Agent) estimate(eng *engine.Engine, plan api.Plan, tokensPerCell float64) api.Estimate {
	weights, batch := eng.WeightBytes(), eng.BatchBytes(max(eng.BatchTokens(), int(tokensPerCell)))
	heap := 4 * int64(plan.NObs) * int64(eng.EmbSize()+eng.Classes())
	e := api.Estimate{
		Tokens:  int64(tokensPerCell * float64(plan.NObs)),
		Seconds: eng.Cost(plan.NObs, tokensPerCell) / a.speed.flops(),
	}
	if strings.HasPrefix(eng.Class(), "cpu/") {
		heap += weights + batch + eng.TableBytes(plan.GeneMatch.Matched)
	} else {
		e.DeviceBytes = weights + batch
	}
	e.MemoryBytes = baseBytes + 2*heap
	return e
}
