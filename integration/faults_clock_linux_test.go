package integration

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// setsClock names the variable that lets a test set the clock of the machine that it
// runs on, as scripts/test_clock.sh does in a virtual machine of its own.
const setsClock = "TROUPE_TEST_SETS_CLOCK"

// The clock jumps while shards are computed. Forward, the server gives activities up
// whose time is over by its clock; back, it hands out no tasks for a while.
// Either way the analysis ends with the same bytes, the process of the
// agent lives on, and the agent beside it answers.
func TestFaultClock(t *testing.T) {
	if os.Getenv(setsClock) == "" {
		t.Skip("it sets the clock of the machine: scripts/test_clock.sh runs it in a virtual one")
	}
	const models, model = testModels, testModel // small: the processor may be emulated
	dir := t.TempDir()
	in := copyCells(t, "pbmc68k_test.h5ad", dir)
	want := filepath.Join(dir, "undisturbed.h5ad")
	annotateDirectly(t, filepath.Join(models, model), in, want)
	worker := childWorker{Address: hostPort, TaskQueue: "clock-tasks", Models: models, Model: model, Root: dir, Passes: filepath.Join(t.TempDir(), "passes")}
	calm := newAgent(t, "calm")
	reg := isolated(t, worker, calm, func(o *registry.ProcessOptions) { o.OverdueTimeout = time.Minute })
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	before, err := reg.AgentStatus(api.Domain.Name)
	require.NoError(t, err)
	c := clientTo(t, hostPort)
	analyses := api.NewClient(c, api.TemporalConfig{TaskQueue: worker.TaskQueue})
	there := []string{in, want}
	for _, jump := range []struct {
		name string
		by   time.Duration
	}{{"forward", 2 * time.Hour}, {"back", -time.Minute}} {
		out := filepath.Join(dir, jump.name+".h5ad")
		ctx := within(t, longPatience())
		id, err := analyses.StartAnalysis(ctx, api.AnalysisWorkflowRequest{
			ExpressionData: in, Out: out, ReportOptions: api.ReportOptions{NoReport: true}, ShardOptions: api.ShardOptions{ShardCells: 10},
		})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, _, atWork := prey(t, reg)
			return atWork && len(shardFiles(t, out, id)) > 2
		}, patience, time.Millisecond)
		done := len(shardFiles(t, out, id))
		require.Less(t, done, 20, "it is too late")
		setClock(t, time.Now().Add(jump.by))
		jumped := time.Now()
		started, err := calm.workflow.Start(ctx, c, Text{"what time is it?"})
		require.NoError(t, err)
		_, err = started.Get(ctx)
		require.NoError(t, err)
		answered := time.Since(jumped)
		result, err := analyses.Result(ctx, id)
		require.NoError(t, err)
		require.Equal(t, api.StatusComplete, result.Result.Status)
		requireSameFile(t, want, out)
		there = append(there, out)
		t.Logf("%s by %v after %d of 20 shards; the agent beside it answers in %v; attempts of the shards: %v", jump.name, jump.by, done,
			answered.Round(time.Millisecond), attempts(t, c, id, api.EmbedShard.Name()))
	}
	after, err := reg.AgentStatus(api.Domain.Name)
	require.NoError(t, err)
	require.Equal(t, before.Processes[0].PID, after.Processes[0].PID, "%v", after.LastError)
	require.NoError(t, stop())
	requireOnly(t, dir, there...)
}

func setClock(t *testing.T, to time.Time) {
	t.Helper()
	ts := unix.NsecToTimespec(to.Round(0).UnixNano())
	require.NoError(t, unix.ClockSettime(unix.CLOCK_REALTIME, &ts))
}
