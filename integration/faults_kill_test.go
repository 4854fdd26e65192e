package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/foogpt"
	foogptapi "github.com/seed-ab6af24b/troupe/foogpt/api"
	"github.com/seed-ab6af24b/troupe/internal/processtest"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// childProcess, set to a childWorker in JSON, makes the test binary a program whose
// registry runs the scgpt agent, for registries that run it in a process of its own.
const childProcess = "TROUPE_TEST_SCGPT"

// playScgpt runs the agent.
func playScgpt(config string) int {
	var c childWorker
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	countedPasses.file = c.Passes
	return registry.Main(registry.Options{Logger: silent}, func(reg *registry.Registry) error { return reg.Register(c.agent()) })
}

// childParent, set to a childWorker in JSON, makes the test binary a program whose
// registry runs the scgpt agent in a process of its own, for tests that kill the
// parent of one.
const childParent = "TROUPE_TEST_PARENT"

// playParent runs the registry until standard input ends.
func playParent(config string) int {
	var c childWorker
	err := json.Unmarshal([]byte(config), &c)
	if err == nil {
		reg := newRegistry(c.Address)
		err = reg.Register(c.agent(), registry.Process(registry.ProcessOptions{
			Args: []string{}, Env: []string{childParent + "=", childProcess + "=" + config, "TEMPORAL_ADDRESS=" + c.Address},
		}))
		if err == nil {
			err = reg.Run(untilInputEnds())
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// agent is the scgpt agent of the worker.
func (c childWorker) agent() *scgpt.Agent {
	return onQueue(scgpt.New(scgpt.Options{
		Models: c.Models, DefaultModel: cmp.Or(c.Model, testModel), Roots: []string{c.Root}, Device: "counted", NoMemo: true, Logger: silent,
	}), c.TaskQueue)
}

// isolated is a registry with the scgpt agent in a process of its own, which comes
// back at once, and a calm agent beside it.
func isolated(t *testing.T, c childWorker, calm agent.Agent, change ...func(*registry.ProcessOptions)) *registry.Registry {
	t.Helper()
	config, err := json.Marshal(c)
	require.NoError(t, err)
	reg := newRegistry(c.Address, func(o *registry.Options) {
		o.BackOff = registry.BackOff{Initial: 5 * time.Millisecond, Max: 50 * time.Millisecond}
	})
	o := registry.ProcessOptions{
		Args: []string{}, Output: silentOutput{},
		Env: []string{childProcess + "=" + string(config), "TEMPORAL_ADDRESS=" + c.Address},
	}
	for _, c := range change {
		c(&o)
	}
	require.NoError(t, reg.Register(c.agent(), registry.Process(o)))
	require.NoError(t, reg.Register(calm))
	return reg
}

// prey is the agent's process and its shards in work; ok is false while it has none
// or is not ready.
func prey(t *testing.T, reg *registry.Registry) (pid int, shards []registry.RunningActivity, ok bool) {
	t.Helper()
	s, err := reg.AgentStatus(api.Domain.Name)
	require.NoError(t, err)
	if !s.Ready || len(s.Processes) != 1 || s.Processes[0].PID == 0 {
		return 0, nil, false
	}
	shards = slices.DeleteFunc(s.Running, func(a registry.RunningActivity) bool { return a.Type != api.EmbedShard.Name() || !a.Ended.IsZero() })
	return s.Processes[0].PID, shards, len(shards) > 0
}

// The process of the agent is killed again and again in one analysis, at random
// moments of forward passes. The kills spread over the shards, each of which has
// three attempts. The agent beside it, foogpt, answers as often as without kills: in
// the long run, groups of kills and passes that nobody disturbs take turns, for a
// server that has run some thousand workflows is slower than a new one.
func TestFaultKills(t *testing.T) {
	t.Parallel()
	const cells, group, calmPasses = 559, 5, 12
	kills, shardCells := often(group, 10*group), often(4, 2)
	r := dice(t)
	models, model := bigModel(t)
	dir := t.TempDir()
	in := copyCells(t, "celltypist_sample.h5ad", dir)
	out := filepath.Join(dir, "result.h5ad")
	worker := childWorker{Address: hostPort, TaskQueue: "kills-tasks", Models: models, Model: model, Root: dir, Passes: filepath.Join(t.TempDir(), "passes")}
	calm := foogpt.New()
	calm.Base = calm.OnTaskQueue("kills-foogpt-tasks")
	reg := isolated(t, worker, calm, func(o *registry.ProcessOptions) {
		o.Nice = 10 // as an agent should be that computes beside others
	})
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))

	c := clientTo(t, hostPort)
	ctx := within(t, longPatience()+faultPatience(kills))
	analyses := api.NewClient(c, api.TemporalConfig{TaskQueue: worker.TaskQueue})
	answered, stopNaming := keepNaming(ctx, t, c, calm.TaskQueue())
	id, err := analyses.StartAnalysis(ctx, api.AnalysisWorkflowRequest{
		ExpressionData: in, Out: out, ReportOptions: api.ReportOptions{NoReport: true}, ShardOptions: api.ShardOptions{ShardCells: shardCells},
	})
	require.NoError(t, err)

	passes := &passLog{path: worker.Passes}
	struck, killed := 0, map[int]bool{}
	// awaitPrey waits for a process with a shard in its first attempt and as many
	// forward passes more.
	awaitPrey := func(more int) (pid int) {
		before := passes.read(t).passes
		require.Eventually(t, func() bool {
			var shards []registry.RunningActivity
			var ok bool
			pid, shards, ok = prey(t, reg)
			again := slices.ContainsFunc(shards, func(a registry.RunningActivity) bool { return a.Attempt > 1 })
			return ok && !again && !killed[pid] && passes.read(t).passes >= before+more && passes.within[pid]
		}, faultPatience(0), time.Millisecond, "after %d kills the process has no shard in its first attempt", len(killed))
		return pid
	}
	kill := func() {
		pid := awaitPrey(1 + r.IntN(4))
		require.NoError(t, processtest.Kill(pid))
		killed[pid] = true
		// Once it is gone it writes no more.
		require.Eventually(t, func() bool {
			s, err := reg.AgentStatus(api.Domain.Name)
			return err == nil && s.Processes[0].PID != pid
		}, patience, time.Millisecond)
		if passes.read(t).within[pid] {
			struck++
		}
	}
	var disturbed, undisturbed pace
	awaitPrey(1)
	for len(killed) < kills {
		disturbed.during(answered, func() {
			for range group {
				kill()
			}
			awaitPrey(0)
		})
		if often(0, 1) > 0 {
			undisturbed.during(answered, func() { awaitPrey(calmPasses) })
		}
	}
	result, err := analyses.Result(ctx, id)
	require.NoError(t, err)
	require.Equal(t, api.StatusComplete, result.Result.Status)
	stopNaming()
	computed, again := passes.read(t).cells, 0
	for _, n := range attempts(t, c, id, api.EmbedShard.Name()) {
		again += n - 1
	}
	t.Logf("%d processes killed, %d of them in a forward pass; %d cells computed of %d; %d shards tried again; foogpt answered %v",
		len(killed), struck, computed, cells, again, disturbed)
	require.GreaterOrEqual(t, struck*10, kills*often(5, 9), "kills that hit a forward pass")
	require.Positive(t, again)
	require.Greater(t, computed, cells)
	require.Greater(t, disturbed.answers, kills)
	if undisturbed.time > 0 { // in the long run
		t.Logf("undisturbed %v", undisturbed)
		require.GreaterOrEqual(t, disturbed.perSecond(), 0.95*undisturbed.perSecond(), "what foogpt answers in a second")
	}
	s, err := reg.AgentStatus(api.Domain.Name)
	require.NoError(t, err)
	require.GreaterOrEqual(t, s.Restarts, kills)
	require.Equal(t, processtest.KilledExit, s.Processes[0].LastWords.Exit)

	want := filepath.Join(dir, "undisturbed.h5ad")
	annotateDirectly(t, filepath.Join(models, model), in, want)
	requireSameFile(t, want, out)
	requireOnly(t, dir, out, in, want)
	require.NoError(t, stop())
}

// pace is how often an agent answered in some spans of time.
type pace struct {
	answers int
	time    time.Duration
}

// during adds what is answered while f runs.
func (p *pace) during(answered func() int, f func()) {
	before, begun := answered(), time.Now()
	f()
	p.time += time.Since(begun)
	p.answers += answered() - before
}

func (p pace) perSecond() float64 { return float64(p.answers) / p.time.Seconds() }

func (p pace) String() string {
	return fmt.Sprintf("%d times in %v, %.1f a second", p.answers, p.time.Round(time.Second), p.perSecond())
}

// keepNaming has foogpt name clusters, one request after the other, until stop is
// called; answered counts its answers. It is a workflow that asks: a client learns of
// about one result in thirty half a second late (HistoryLongPollExpirationInterval in
// package devserver), which varies with what else the processor does and says nothing
// of foogpt.
func keepNaming(ctx context.Context, t *testing.T, c client.Client, queue string) (answered func() int, stop func()) {
	t.Helper()
	const asking, asks = "KeepAsking", 500
	w := worker.New(c, queue+"-asking", worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{TaskQueue: queue})
		request := foogptapi.NameClustersRequest{Clusters: []foogptapi.Cluster{{ID: "0", Genes: []string{"CD3D", "CD3E", "IL7R"}}}}
		for range asks {
			if err := workflow.ExecuteChildWorkflow(child, foogptapi.Naming.Name(), request).Get(ctx, nil); err != nil {
				return err
			}
		}
		return workflow.NewContinueAsNewError(ctx, asking)
	}, workflow.RegisterOptions{Name: asking})
	require.NoError(t, w.Start())
	stopWorker := sync.OnceFunc(w.Stop)
	t.Cleanup(stopWorker)
	answered = func() int {
		n, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("TaskQueue = %q AND ExecutionStatus = 'Completed'", queue),
		})
		require.NoError(t, err)
		return int(n.GetCount())
	}
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: queue + "-asking"}, asking)
	require.NoError(t, err)
	return answered, func() {
		// The run that goes on, not the first one.
		about, err := c.DescribeWorkflowExecution(ctx, run.GetID(), "")
		require.NoError(t, err)
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, about.GetWorkflowExecutionInfo().GetStatus(), "foogpt gave no answer")
		require.NoError(t, c.TerminateWorkflow(ctx, run.GetID(), "", "enough"))
		stopWorker()
	}
}

// A shard whose process is killed in each of its attempts fails the analysis, and
// tells why.
func TestFaultKillsOfOneShard(t *testing.T) {
	t.Parallel()
	models, model := bigModel(t)
	dir := t.TempDir()
	in := copyCells(t, "celltypist_sample.h5ad", dir)
	worker := childWorker{Address: hostPort, TaskQueue: "kills-of-one-tasks", Models: models, Model: model, Root: dir, Passes: filepath.Join(t.TempDir(), "passes")}
	reg := isolated(t, worker, newAgent(t, "calm"))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	analyses := api.NewClient(clientTo(t, hostPort), api.TemporalConfig{TaskQueue: worker.TaskQueue})
	ctx := within(t, faultPatience(3))
	id, err := analyses.StartAnalysis(ctx, api.AnalysisWorkflowRequest{
		ExpressionData: in, Out: filepath.Join(dir, "result.h5ad"), ReportOptions: api.ReportOptions{NoReport: true}, ShardOptions: api.ShardOptions{ShardCells: 300},
	})
	require.NoError(t, err)
	for attempt := int32(1); attempt <= 3; attempt++ {
		require.Eventually(t, func() bool {
			pid, shards, ok := prey(t, reg)
			if !ok || !slices.ContainsFunc(shards, func(a registry.RunningActivity) bool { return a.Attempt == attempt }) {
				return false
			}
			require.NoError(t, processtest.Kill(pid))
			return true
		}, faultPatience(0), time.Millisecond, "attempt %d", attempt)
	}
	_, err = analyses.Result(ctx, id)
	t.Log(err)
	require.ErrorContains(t, err, processtest.KilledExit)
	class, _ := retry.ClassOf(err)
	require.NotEqual(t, retry.InvalidData, class, "the request was right")
	// The worker is back, and what the analysis left is no hindrance.
	require.NoError(t, reg.WaitReady(within(t, patience)))
	require.NoError(t, stop())
}
