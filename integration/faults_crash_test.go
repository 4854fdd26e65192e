package integration

import (
	"cmp"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/internal/processtest"
	"github.com/seed-ab6af24b/troupe/registry"
)

// An agent whose process crashes, in whatever way, is back within its back-off and
// tells why; the agent beside it goes on answering. How fast is in the log, beside
// how fast it answers when nothing happens.
func TestFaultCrashes(t *testing.T) {
	t.Parallel()
	rounds, calmAnswers := often(1, 10), often(50, 100)
	c := clientTo(t, hostPort)
	risky, calm := newAgent(t, "risky"), newAgent(t, "calm")
	reg := newRegistry(hostPort, func(o *registry.Options) {
		o.BackOff = registry.BackOff{Initial: 5 * time.Millisecond, Max: 200 * time.Millisecond}
	})
	require.NoError(t, reg.Register(risky, registry.Process(registry.ProcessOptions{
		Args: []string{}, Output: silentOutput{}, MemoryLimit: 256 << 20,
		// Who runs wild leaves the processors to the others, takes one at most, and
		// does not run for long.
		Idle: true, OverdueTimeout: 100 * time.Millisecond,
		Env: []string{childAgent + "=" + risky.Name(), childStartToClose + "=8s", "TEMPORAL_ADDRESS=" + hostPort, "GOMAXPROCS=1"},
	})))
	require.NoError(t, reg.Register(calm))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))

	for _, kind := range slices.Sorted(maps.Keys(crashes)) {
		if !processtest.LimitsMemory() && (kind == "memory hog" || kind == "goroutines, forking") {
			t.Logf("%s: not here, where nothing limits the memory of a process", kind)
			continue
		}
		var quiet, during []time.Duration
		var last registry.ProcessError
		for range rounds {
			quiet = append(quiet, answers(t, c, calm, func(n int) bool { return n < calmAnswers })...)
			before, err := reg.AgentStatus(risky.Name())
			require.NoError(t, err)
			crashed, err := risky.workflow.Start(within(t, 2*patience), c, Text{kind})
			require.NoError(t, err)
			begun := time.Now()
			during = append(during, answers(t, c, calm, func(int) bool {
				s, err := reg.AgentStatus(risky.Name())
				require.NoError(t, err)
				require.Less(t, time.Since(begun), 2*patience, "%s: the agent is not back: %+v", kind, s)
				return s.Restarts == before.Restarts || !s.Ready
			})...)
			_, err = crashed.Get(within(t, 2*patience))
			require.NoError(t, err, kind)
			after, err := reg.AgentStatus(risky.Name())
			require.NoError(t, err)
			require.NotNil(t, after.Processes[0].LastWords, kind)
			last = *after.Processes[0].LastWords
			require.Equal(t, before.Processes[0].PID, last.PID, kind)
		}
		slices.Sort(quiet)
		slices.Sort(during)
		require.NotEmpty(t, during, kind)
		t.Logf("%-20s %d times, %s: the agent beside it answers in p50 %v, p99 %v of %d (p50 %v, p99 %v of %d undisturbed)", kind, rounds,
			cmp.Or(last.Reason, last.Exit), at(during, 50), at(during, 99), len(during), at(quiet, 50), at(quiet, 99), len(quiet))
	}
	require.NoError(t, stop())
}

// answers are how long an agent's workflows take by the server's clock, from their
// start to their end, as long as more says so. The client's own wait is left out:
// what it waits for is the server's long poll.
func answers(t *testing.T, c client.Client, a *testAgent, more func(n int) bool) (all []time.Duration) {
	t.Helper()
	for more(len(all)) {
		ctx := within(t, patience)
		started, err := a.workflow.Start(ctx, c, Text{"calm"})
		require.NoError(t, err)
		_, err = started.Get(ctx)
		require.NoError(t, err)
		begun := eventsOf(t, c, started.ID(), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
		ended := eventsOf(t, c, started.ID(), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED)
		all = append(all, ended[0].GetEventTime().AsTime().Sub(begun[0].GetEventTime().AsTime()))
	}
	return all
}

// at returns a percentile.
func at(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(100 * time.Microsecond)
}
