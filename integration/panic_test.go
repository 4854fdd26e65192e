package integration

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/registry"
)

// A panic of an activity, in its own goroutine or in one of agent.Go, is the
// activity's error. The worker lives, and so do the other agents.
func TestActivityPanics(t *testing.T) {
	t.Parallel()
	for name, panics := range map[string]func(context.Context){
		"itself": func(context.Context) { panic("index out of range") },
		"in a goroutine": func(ctx context.Context) {
			agent.Go(ctx, func(context.Context) error { panic("index out of range") })
			<-ctx.Done()
		},
		"in a goroutine that nobody waits for": func(ctx context.Context) {
			agent.Go(ctx, func(context.Context) error { panic("index out of range") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientTo(t, hostPort)
			bad, good := newAgent(t, "bad"), newAgent(t, "good")
			bad.onEcho = func(ctx context.Context, in Text) (Text, error) {
				if in.Text == "panic" {
					panics(ctx)
				}
				return in, nil
			}
			bad.domain.Retry.MaximumAttempts = 1
			reg := newRegistry(hostPort)
			require.NoError(t, reg.Register(bad))
			require.NoError(t, reg.Register(good))
			stop := run(t, reg)

			started, err := bad.workflow.Start(within(t, patience), c, Text{"panic"})
			require.NoError(t, err)
			_, err = started.Get(within(t, patience))
			var failed *temporal.ActivityError
			require.ErrorAs(t, err, &failed)
			require.ErrorContains(t, err, "index out of range")
			requireUnharmed(t, reg, c, bad, good)
			require.NoError(t, stop())
		})
	}
}

// A panic of a workflow stops that workflow alone, until its code is mended.
func TestWorkflowPanics(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	bad, good := newAgent(t, "bad"), newAgent(t, "good")
	bad.onWorkflow = func(_ workflow.Context, in Text) {
		if in.Text == "panic" {
			panic("index out of range")
		}
	}
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(bad))
	require.NoError(t, reg.Register(good))
	stop := run(t, reg)

	started, err := bad.workflow.Start(within(t, patience), c, Text{"panic"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return failedTask(t, c, started.ID()) == "index out of range"
	}, patience, 5*time.Millisecond, "the panic is not in the workflow's history")
	requireUnharmed(t, reg, c, bad, good)
	require.NoError(t, stop())

	// The next version of the agent finishes what the last one could not.
	bad.onWorkflow = nil
	mended := newRegistry(hostPort)
	require.NoError(t, mended.Register(bad))
	run(t, mended)
	answer, err := started.Get(within(t, patience))
	require.NoError(t, err)
	require.Equal(t, "panic", answer.Text)
}

// requireUnharmed has both agents answer, on the workers that they had.
func requireUnharmed(t *testing.T, reg *registry.Registry, c client.Client, agents ...*testAgent) {
	t.Helper()
	for _, a := range agents {
		a.echo(t, c, "alive")
		s, err := reg.AgentStatus(a.Name())
		require.NoError(t, err)
		require.Zero(t, s.Restarts)
	}
}

// failedTask returns why the workflow's last workflow task failed, "" if none
// did.
func failedTask(t *testing.T, c client.Client, id string) (why string) {
	t.Helper()
	for _, e := range eventsOf(t, c, id, enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED) {
		why = e.GetWorkflowTaskFailedEventAttributes().GetFailure().GetMessage()
	}
	return why
}
