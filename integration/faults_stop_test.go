package integration

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seed-ab6af24b/troupe/internal/processtest"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// A worker that is stopped for longer than the heartbeat timeout loses what it was
// about to another attempt; when it goes on, it does no harm.
func TestFaultStopped(t *testing.T) {
	t.Parallel()
	models, model := bigModel(t)
	dir := t.TempDir()
	in := copyCells(t, "celltypist_sample.h5ad", dir)
	out := filepath.Join(dir, "result.h5ad")
	worker := childWorker{Address: hostPort, TaskQueue: "stopped-tasks", Models: models, Model: model, Root: dir, Passes: filepath.Join(t.TempDir(), "passes")}
	reg := isolated(t, worker, newAgent(t, "calm"), func(o *registry.ProcessOptions) {
		o.AnswerTimeout = -1 // the registry would replace the process at once
	})
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	c := clientTo(t, hostPort)
	analyses := api.NewClient(c, api.TemporalConfig{TaskQueue: worker.TaskQueue})
	ctx := within(t, longPatience())
	id, err := analyses.StartAnalysis(ctx, api.AnalysisWorkflowRequest{
		ExpressionData: in, Out: out, ReportOptions: api.ReportOptions{NoReport: true}, ShardOptions: api.ShardOptions{ShardCells: 200},
	})
	require.NoError(t, err)
	pid := 0
	require.Eventually(t, func() bool {
		var ok bool
		_, cells := passesIn(t, worker.Passes)
		pid, _, ok = prey(t, reg)
		return ok && cells > 20
	}, patience, time.Millisecond)
	require.NoError(t, processtest.Freeze(pid))
	stopped := time.Now()
	// The server gives the activity up.
	require.Eventually(t, func() bool {
		d, err := c.DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			return false
		}
		for _, p := range d.GetPendingActivities() {
			if p.GetLastFailure().GetTimeoutFailureInfo().GetTimeoutType() == enumspb.TIMEOUT_TYPE_HEARTBEAT {
				return true
			}
		}
		return false
	}, time.Duration(often(60, 120))*time.Second, 100*time.Millisecond, "no heartbeat timeout")
	if least := time.Duration(often(0, 60)) * time.Second; least > 0 {
		require.Eventually(t, func() bool { return time.Since(stopped) >= least }, 2*least, 100*time.Millisecond)
	}
	require.NoError(t, processtest.Thaw(pid))
	held := time.Since(stopped)

	result, err := analyses.Result(ctx, id)
	require.NoError(t, err)
	require.Equal(t, api.StatusComplete, result.Result.Status)
	tries := attempts(t, c, id, api.EmbedShard.Name())
	t.Logf("stopped for %v; attempts of the shards: %v", held.Round(time.Second), tries)
	require.Greater(t, slices.Max(tries), 1)
	s, err := reg.AgentStatus(api.Domain.Name)
	require.NoError(t, err)
	require.Equal(t, pid, s.Processes[0].PID)
	want := filepath.Join(dir, "undisturbed.h5ad")
	annotateDirectly(t, filepath.Join(models, model), in, want)
	requireSameFile(t, want, out)
	requireOnly(t, dir, out, in, want)
	require.NoError(t, stop())
}
