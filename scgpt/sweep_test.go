package scgpt_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// What a failed analysis left goes by age: when a worker starts, from its output
// folder, and when an analysis is planned, from that of its output. What is young,
// and what has another name, stays.
func TestOldShardsAreSwept(t *testing.T) {
	const keep = time.Hour
	w := newWorkplace(t, func(o *scgpt.Options) { o.KeepShards = keep })
	leave := func(age time.Duration, names ...string) {
		t.Helper()
		for _, name := range names {
			path := filepath.Join(w.dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte("x"), 0o644))
			then := time.Now().Add(-age)
			for dir := path; dir != w.dir; dir = filepath.Dir(dir) {
				require.NoError(t, os.Chtimes(dir, then, then))
			}
		}
	}
	leftover := func(folder string) {
		leave(2*keep, folder+"a.h5ad.shards/old/000000.shard", folder+"a.h5ad.shards/old/genes.json",
			folder+"b.h5ad.shards/old/000001.shard.12.tmp", folder+".troupe-ABCD-x.h5ad", folder+"c.h5ad.shards/old/notes.txt", folder+"old.txt")
		leave(keep/2, folder+"a.h5ad.shards/young/000000.shard", folder+".troupe-EFGH.tmp")
		// One shard of many is young: the analysis may be running.
		leave(2*keep, folder+"d.h5ad.shards/id/000000.shard")
		leave(0, folder+"d.h5ad.shards/id/000001.shard")
	}
	kept := func(folder string) []string {
		return []string{
			folder + "c.h5ad.shards/old/notes.txt", folder + "old.txt", folder + "a.h5ad.shards/young/000000.shard",
			folder + ".troupe-EFGH.tmp", folder + "d.h5ad.shards/id/000000.shard", folder + "d.h5ad.shards/id/000001.shard",
		}
	}
	leftover("out/")
	leftover("elsewhere/")
	everywhere := append(kept("out/"), kept("elsewhere/")...)

	require.NoError(t, w.agent.Stop(t.Context()))
	require.NoError(t, w.agent.Start(t.Context()))
	require.NoFileExists(t, filepath.Join(w.dir, "out/a.h5ad.shards/old/000000.shard"))
	require.FileExists(t, filepath.Join(w.dir, "elsewhere/a.h5ad.shards/old/000000.shard"), "not the worker's own folder")

	must(t, w, api.PlanCells, api.PlanRequest{Task: api.TaskAnnotate, ExpressionData: w.cells, Out: "elsewhere/y.h5ad"})
	w.requireFiles(t, everywhere...)
	require.NoDirExists(t, filepath.Join(w.dir, "out/b.h5ad.shards"))
}

func TestEstimate(t *testing.T) {
	w := newWorkplace(t)
	plan := must(t, w, api.PlanCells, api.PlanRequest{Task: api.TaskAnnotate, ExpressionData: w.counts})
	require.Equal(t, 559, plan.NObs)
	require.InDelta(t, 623_132, plan.Estimate.Tokens, 623_132/5, "from a sample of the cells; all of them have so many")
	require.Positive(t, plan.Estimate.Seconds)
	require.Greater(t, plan.Estimate.MemoryBytes, int64(100<<20))
	require.Zero(t, plan.Estimate.DeviceBytes)
	capped := must(t, w, api.PlanCells, api.PlanRequest{Task: api.TaskEmbed, ExpressionData: w.counts, Cells: api.CellOptions{MaxLength: 100}})
	require.InDelta(t, 55_900, capped.Estimate.Tokens, 100)
	require.Less(t, capped.Estimate.Seconds, plan.Estimate.Seconds)
}
