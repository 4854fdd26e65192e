package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/seed-ab6af24b/troupe/examples/reminder/reminder"
)

// startWorker runs the worker in a process of its own; kill is SIGKILL.
func startWorker(t *testing.T, file string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "worker", "--address", hostPort, "--file", file)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			_ = stdin.Close()
		}
	}
	t.Cleanup(kill)
	return kill
}

// events counts the events of a workflow's history by type.
func events(ctx context.Context, t *testing.T, c client.Client, id string) map[enumspb.EventType]int {
	t.Helper()
	n := map[enumspb.EventType]int{}
	history := c.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		e, err := history.Next()
		require.NoError(t, err)
		n[e.GetEventType()]++
	}
	return n
}

// The worker is killed in the middle of the sleep. With the next one the
// reminder comes once, and not before its time.
func TestWorkerIsKilledMidSleep(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{HostPort: hostPort, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	defer c.Close()
	file := filepath.Join(t.TempDir(), "reminders.txt")
	kill := startWorker(t, file)
	require.Eventually(t, func() bool {
		queue, err := c.DescribeTaskQueue(ctx, reminder.Domain.TaskQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		return err == nil && len(queue.GetPollers()) > 0
	}, 30*time.Second, 10*time.Millisecond, "the worker does not poll")

	const sleep = 8 * time.Second // the worker's first task and the kill are within it
	earliest := time.Now().Add(sleep)
	var tea started
	require.Equal(t, exitDone, reminderJSON(t, &tea, "start", "--in", sleep.String(), "--text", "tea"))
	require.Eventually(t, func() bool {
		return events(ctx, t, c, tea.WorkflowID)[enumspb.EVENT_TYPE_TIMER_STARTED] == 1
	}, 30*time.Second, 10*time.Millisecond, "the timer was not started")
	kill()
	require.Zero(t, events(ctx, t, c, tea.WorkflowID)[enumspb.EVENT_TYPE_TIMER_FIRED], "the kill came too late")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Empty(t, data)
	var status []reminderStatus
	require.Equal(t, exitDone, reminderJSON(t, &status, "status", tea.WorkflowID))
	require.Equal(t, "running", status[0].Status)

	startWorker(t, file)
	receipt, err := reminder.Remind.Get(c, tea.WorkflowID, "").Get(ctx)
	require.NoError(t, err)
	require.False(t, receipt.Due.Before(earliest))
	require.False(t, receipt.At.Before(receipt.Due), "the reminder came at %v, before its time %v", receipt.At, receipt.Due)
	data, err = os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, strings.Join([]string{receipt.At.Format(time.RFC3339Nano), tea.WorkflowID, receipt.Number, "tea\n"}, "\t"), string(data))

	// The second worker went on with the timer of the first.
	n := events(ctx, t, c, tea.WorkflowID)
	require.Equal(t, 1, n[enumspb.EVENT_TYPE_TIMER_STARTED])
	require.Equal(t, 1, n[enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED])
	require.Equal(t, 1, n[enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED])
}
