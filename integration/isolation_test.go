package integration

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/retry"
)

// While one agent is in trouble, the other goes on answering.
func TestTroubleStaysWithItsAgent(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil   func(*testAgent)
		options []registry.AgentOption
		state   registry.State
		err     string
	}{
		"start fails": {
			spoil: func(a *testAgent) { a.onStart = func(context.Context) error { return errors.New("no GPU") } },
			state: registry.StateStarting, err: "start: no GPU",
		},
		"start panics": {
			spoil: func(a *testAgent) { a.onStart = func(context.Context) error { panic("boom") } },
			state: registry.StateStarting, err: "start: panic: boom",
		},
		"model is corrupt": {
			spoil: func(a *testAgent) {
				a.onStart = func(context.Context) error { return retry.InvalidData.Errorf("best_model.pt: no tensors") }
			},
			state: registry.StateFailed, err: "start: best_model.pt: no tensors",
		},
		"namespace is missing": {
			spoil:   func(*testAgent) {},
			options: []registry.AgentOption{registry.WithNamespace("nowhere")},
			state:   registry.StateStarting, err: "start worker: failed reaching server: Namespace nowhere is not found. (create it, as in `temporal operator namespace create nowhere`, or name another: TEMPORAL_NAMESPACE, registry.WithNamespace)",
		},
		"worker options are wrong": {
			spoil: func(a *testAgent) {
				a.onConfigure = func(o *worker.Options) { o.MaxConcurrentWorkflowTaskPollers = 1 }
			},
			state: registry.StateFailed, err: "build worker: panic: cannot set MaxConcurrentWorkflowTaskPollers to 1",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := clientTo(t, hostPort)
			bad, good := newAgent(t, "bad"), newAgent(t, "good")
			c.spoil(bad)
			reg := newRegistry(hostPort)
			require.NoError(t, reg.Register(bad, c.options...))
			require.NoError(t, reg.Register(good))
			stop := run(t, reg)
			require.NoError(t, reg.WaitReady(within(t, patience), good.Name()))

			require.Eventually(t, func() bool {
				s, err := reg.AgentStatus(bad.Name())
				return err == nil && s.State == c.state && s.LastError != nil &&
					(s.Restarts > 1 || s.State.Final())
			}, patience, 5*time.Millisecond)
			s, err := reg.AgentStatus(bad.Name())
			require.NoError(t, err)
			require.EqualError(t, s.LastError, c.err)
			good.echo(t, cl, "still here")

			err = stop()
			if c.state.Final() {
				require.ErrorContains(t, err, c.err)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// Removing an agent leaves the other one, in the same process, at work.
func TestRemoveLeavesTheOther(t *testing.T) {
	t.Parallel()
	c := clientTo(t, hostPort)
	a, b := newAgent(t, "a"), newAgent(t, "b")
	reg := newRegistry(hostPort)
	require.NoError(t, reg.Register(a))
	stop := run(t, reg)
	require.NoError(t, reg.Register(b))
	require.NoError(t, reg.WaitReady(within(t, patience)))
	a.echo(t, c, "a")
	b.echo(t, c, "b")

	require.NoError(t, reg.Remove(within(t, patience), a.Name()))
	b.echo(t, c, "b")
	_, err := reg.AgentStatus(a.Name())
	var missing *registry.NotFoundError
	require.ErrorAs(t, err, &missing)

	// What was started meanwhile waits for the agent's return.
	started, err := a.workflow.Start(within(t, patience), c, Text{"later"})
	require.NoError(t, err)
	require.NoError(t, reg.Register(a))
	answer, err := started.Get(within(t, patience))
	require.NoError(t, err)
	require.Equal(t, "later", answer.Text)
	require.NoError(t, stop())
}
