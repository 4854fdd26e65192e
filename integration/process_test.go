package integration

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/internal/processtest"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/registry/telemetry"
)

// A process that ends in the middle of an activity costs one attempt, and the
// agent beside it nothing. The server hears of it from the next process: the
// activity's own timeout is a minute.
func TestProcessOfAnAgent(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	risky, calm := newAgent(t, "risky"), newAgent(t, "calm")
	tel, err := telemetry.New(telemetry.Options{})
	require.NoError(t, err)
	reg := newRegistry(hostPort, func(o *registry.Options) { o.Observer = tel })
	require.NoError(t, reg.Register(risky, inProcess(risky)))
	require.NoError(t, reg.Register(calm))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	risky.echo(t, c, "hello")
	var before registry.Status
	require.Eventually(t, func() bool { // the process tells of the end a little later
		before, err = reg.AgentStatus(risky.Name())
		return err == nil && len(before.Running) == 0
	}, patience, 5*time.Millisecond)
	require.Len(t, before.Processes, 1)

	started, err := risky.workflow.Start(within(t, patience), c, Text{"exit"})
	require.NoError(t, err)
	calm.echo(t, c, "not my trouble")
	answer, err := started.Get(within(t, patience))
	require.NoError(t, err)
	require.Equal(t, "exit", answer.Text)
	require.Equal(t, []int{2}, attempts(t, c, started.ID(), risky.activity.Name()))
	after, err := reg.AgentStatus(risky.Name())
	require.NoError(t, err)
	require.NotEqual(t, before.Processes[0].PID, after.Processes[0].PID)
	words := after.Processes[0].LastWords
	require.Equal(t, "exit status 9", words.Exit)
	require.Len(t, words.Running, 1)
	require.Equal(t, started.ID(), words.Running[0].WorkflowID)

	// What the process counts stands among the parent's metrics.
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Regexp(t, `troupe_activity_executions_total\{activity="echo",agent="`+risky.Name()+`",class="",outcome="ok",process="0"\} 1\n`, w.Body.String())
	require.Regexp(t, `go_goroutines\{agent="`+risky.Name()+`",process="0"\} [0-9]+\n`, w.Body.String())
	require.Contains(t, w.Body.String(), `troupe_agent_restarts_total{agent="`+risky.Name()+`"} 1`)
	require.NoError(t, stop())
	require.False(t, processtest.Alive(after.Processes[0].PID))
}

// Stopped, a process lets its activity react to the cancellation, within the
// deadline.
func TestProcessDrains(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a := newAgent(t, "a")
	reg := newRegistry(hostPort, func(o *registry.Options) { o.StopTimeout = 5 * time.Second })
	require.NoError(t, reg.Register(a, inProcess(a)))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	started, err := a.workflow.Start(within(t, patience), c, Text{"hang"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s, err := reg.AgentStatus(a.Name())
		return err == nil && len(s.Running) == 1
	}, patience, 5*time.Millisecond)
	require.NoError(t, stop())

	// The next process does it.
	again := newRegistry(hostPort)
	require.NoError(t, again.Register(a, inProcess(a)))
	stopAgain := run(t, again)
	answer, err := started.Get(within(t, patience))
	require.NoError(t, err)
	require.Equal(t, "hang", answer.Text)
	require.NoError(t, stopAgain())
}

// SIGTERM (on Windows Ctrl-Break) ends polling at once; what does not end in time, or
// before a second one, is named.
func TestSignals(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	cases := map[string]struct {
		timeout string
		second  bool
		want    string
	}{
		"deadline":      {"2s", false, "did not stop within 2s: still running: activity echo of workflow "},
		"second signal": {"10m", true, "was cut while it stopped: still running: activity echo of workflow "},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAgent(t, "a")
			var stderr syncBuffer
			program := exec.Command(os.Args[0])
			program.Env = append(os.Environ(), childAgent+"="+a.Name(), childStopTimeout+"="+tc.timeout, "TEMPORAL_ADDRESS="+hostPort)
			program.Stderr = &stderr
			interruptible(program)
			require.NoError(t, program.Start())
			t.Cleanup(func() { _ = program.Process.Kill(); _ = program.Wait() })
			stuck, err := a.workflow.Start(within(t, patience), c, Text{"stuck"})
			require.NoError(t, err)
			require.Eventually(t, func() bool { return activityStarted(t, c, stuck.ID()) }, patience, 5*time.Millisecond)

			err = interrupt(program)
			if runtime.GOOS == "windows" && err != nil {
				t.Skipf("Ctrl-Break does not reach the program, as without a console: %v", err)
			}
			require.NoError(t, err)
			require.Eventually(t, func() bool { return !isPolled(t, c, a.TaskQueue()) }, patience, 5*time.Millisecond, "it goes on polling")
			if tc.second {
				later, err := a.workflow.Start(within(t, patience), c, Text{"later"})
				require.NoError(t, err)
				require.NoError(t, interrupt(program))
				require.Error(t, program.Wait())
				description, err := c.DescribeWorkflowExecution(within(t, patience), later.ID(), "")
				require.NoError(t, err)
				require.EqualValues(t, 2, description.GetWorkflowExecutionInfo().GetHistoryLength(), "nobody took it")
			} else {
				require.Error(t, program.Wait())
			}
			require.Equal(t, 1, program.ProcessState.ExitCode())
			require.Contains(t, stderr.String(), `agent "`+a.Name()+`" `+tc.want+stuck.ID()+" (attempt 1")
		})
	}
}

func activityStarted(t *testing.T, c client.Client, id string) bool {
	t.Helper()
	d, err := c.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	return len(d.GetPendingActivities()) == 1 && d.GetPendingActivities()[0].GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED
}

// isPolled asks the server, which forgets a poller that has stopped at once.
func isPolled(t *testing.T, c client.Client, queue string) bool {
	t.Helper()
	d, err := c.DescribeTaskQueue(t.Context(), queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	require.NoError(t, err)
	return len(d.GetPollers()) > 0
}
