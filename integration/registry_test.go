package integration

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/retry"
)

// Ready is what the server says: it lists the worker's identity for both kinds
// of task.
func TestReadyMeansListedByTheServer(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a := newAgent(t, "a")
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(a))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))

	s, err := reg.AgentStatus(a.Name())
	require.NoError(t, err)
	require.True(t, s.Ready)
	require.Equal(t, "default", s.Namespace)
	for _, kind := range []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY} {
		answer, err := c.DescribeTaskQueue(within(t, patience), a.TaskQueue(), kind)
		require.NoError(t, err)
		require.Len(t, answer.GetPollers(), 1)
		require.Equal(t, s.Identity, answer.GetPollers()[0].GetIdentity())
	}
	a.echo(t, c, "hello")
	require.NoError(t, stop())
}

// What runs when the stop begins may finish, and its result arrives.
func TestDrain(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a := newAgent(t, "a")
	entered, leave := make(chan struct{}), make(chan struct{})
	a.onEcho = func(_ context.Context, in Text) (Text, error) {
		close(entered)
		<-leave
		return in, nil
	}
	stopped := make(chan struct{})
	a.onStop = func(context.Context) error { close(stopped); return nil }
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(a))
	stop := run(t, reg)
	started, err := a.workflow.Start(within(t, patience), c, Text{"x"})
	require.NoError(t, err)
	<-entered

	result := make(chan error, 1)
	go func() { result <- stop() }()
	require.Eventually(t, func() bool {
		s, err := reg.AgentStatus(a.Name())
		return err == nil && s.State == registry.StateDraining && len(s.Running) == 1
	}, patience, time.Millisecond)
	select {
	case <-stopped:
		require.FailNow(t, "the agent's Stop was called while its activity ran")
	default:
	}
	close(leave)
	require.NoError(t, <-result)

	// The workflow goes on elsewhere with the result of the drained activity.
	a.onEcho = func(context.Context, Text) (Text, error) {
		return Text{}, retry.InvalidData.Errorf("the activity ran twice")
	}
	again := newRegistry(hostPort)
	require.NoError(t, again.Register(a))
	a.onStop = nil
	run(t, again)
	answer, err := started.Get(within(t, patience))
	require.NoError(t, err)
	require.Equal(t, "x", answer.Text)
}

// An activity that heeds its context ends when it is cancelled, and says so to
// the server before the client closes.
func TestDrainCancels(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a := newAgent(t, "a")
	entered := make(chan struct{})
	a.onEcho = func(ctx context.Context, in Text) (Text, error) {
		close(entered)
		<-ctx.Done()
		return in, nil
	}
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(a, registry.WithStopTimeout(time.Second)))
	stop := run(t, reg)
	started, err := a.workflow.Start(within(t, patience), c, Text{"x"})
	require.NoError(t, err)
	<-entered
	require.NoError(t, stop())

	again := newRegistry(hostPort)
	a.onEcho = nil
	require.NoError(t, again.Register(a))
	run(t, again)
	answer, err := started.Get(within(t, patience))
	require.NoError(t, err)
	require.Equal(t, "x", answer.Text)
}

// An activity that ignores its context is named, and does not hold up the
// stop; the agent's Stop waits for it all the same.
func TestDrainDeadline(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a := newAgent(t, "a")
	entered, leave, stopped := make(chan struct{}), make(chan struct{}), make(chan struct{})
	a.onEcho = func(_ context.Context, in Text) (Text, error) {
		close(entered)
		<-leave
		return in, nil
	}
	a.onStop = func(context.Context) error { close(stopped); return nil }
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(a, registry.WithStopTimeout(time.Second)))
	stop := run(t, reg)
	started, err := a.workflow.Start(within(t, patience), c, Text{"x"})
	require.NoError(t, err)
	<-entered

	began := time.Now()
	err = stop()
	require.Less(t, time.Since(began), 10*time.Second)
	var late *registry.StopError
	require.ErrorAs(t, err, &late)
	require.Equal(t, a.Name(), late.Agent)
	require.Len(t, late.Running, 1)
	require.Equal(t, "echo", late.Running[0].Type)
	require.Equal(t, started.ID(), late.Running[0].WorkflowID)
	require.ErrorContains(t, err, "still running: activity echo of workflow "+started.ID())
	select {
	case <-stopped:
		require.FailNow(t, "the agent's Stop was called while its activity ran")
	default:
	}
	close(leave)
	<-stopped
	require.Eventually(t, func() bool {
		s, err := reg.AgentStatus(a.Name())
		return err == nil && s.State == registry.StateStopped
	}, patience, time.Millisecond)
}
