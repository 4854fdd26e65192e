package scgpt

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/agent/agenttest"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// A request that comes again finds its shards in the memo, on whichever worker:
// they are cut as they were, although workers measure different speeds.
func TestShardsAreCutAsBefore(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join("..", "testdata", "cells", "celltypist_sample.h5ad"))
	require.NoError(t, err)
	cells := filepath.Join(dir, "cells.h5ad")
	require.NoError(t, os.WriteFile(cells, data, 0o644))
	worker := func(memo string, flops float64) *Agent {
		a := agenttest.Start(t, New(Options{
			Models: filepath.Join("..", "testdata", "models"), DefaultModel: "tiny_scgpt", Roots: []string{dir}, Memo: memo,
		}))
		a.speed.bits.Store(math.Float64bits(flops))
		return a
	}
	plan := func(a *Agent, change ...func(*api.PlanRequest)) int {
		t.Helper()
		req := api.PlanRequest{Task: api.TaskEmbed, ExpressionData: cells}
		for _, c := range change {
			c(&req)
		}
		p, err := agenttest.RunActivity(agenttest.NewEnvironment(t, a), api.PlanCells, req)
		require.NoError(t, err)
		return p.ShardCells
	}
	const flops = 1e9
	memo := t.TempDir()
	first := plan(worker(memo, flops))
	require.Greater(t, first, 1)
	require.Less(t, first, 559/2)
	require.NotEqual(t, first, plan(worker("", 1.3*flops)))
	require.Equal(t, first, plan(worker(memo, 1.3*flops)))
	require.Equal(t, first, plan(worker(memo, 0.8*flops)))
	require.Less(t, plan(worker(memo, flops/100)), first, "a worker to which such a shard is too much")

	fast := worker(memo, 1.3*flops)
	require.Equal(t, 20, plan(fast, func(r *api.PlanRequest) { r.ShardCells = 20 }))
	require.NotEqual(t, first, plan(fast, func(r *api.PlanRequest) { r.Cells.MaxLength = 100 }))
}
