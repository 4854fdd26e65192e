package registry

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/retry"
)

var errDown = errors.New("connection refused")

// start runs a registry with the agents. The returned function ends it and
// returns what Run returned.
func start(t *testing.T, reg *Registry, agents ...*fakeAgent) (stop func() error) {
	t.Helper()
	for _, a := range agents {
		require.NoError(t, reg.Register(a))
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	result := make(chan error, 1)
	go func() { result <- reg.Run(ctx) }()
	return func() error {
		cancel()
		return <-result
	}
}

func state(t *testing.T, reg *Registry, name string) State {
	t.Helper()
	s, err := reg.AgentStatus(name)
	require.NoError(t, err)
	require.Equal(t, s.State == StateReady, s.Ready)
	return s.State
}

func TestLifecycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, server := newFake()
		a := newFakeAgent("a")
		var calls []string
		note := func(what string) func(context.Context) error {
			return func(context.Context) error { calls = append(calls, what); return nil }
		}
		a.onStart, a.onStop = note("start"), note("stop")
		require.NoError(t, reg.Register(a))
		require.Equal(t, StateNew, state(t, reg, "a"))

		stop := start(t, reg)
		require.NoError(t, reg.WaitReady(t.Context()))
		s, err := reg.AgentStatus("a")
		require.NoError(t, err)
		require.Equal(t, StateReady, s.State)
		require.True(t, s.Ready)
		require.Equal(t, "a-tasks", s.TaskQueue)
		require.Equal(t, []string{"Work"}, s.Workflows)
		require.Equal(t, []string{"work"}, s.Activities)
		require.Regexp(t, `^a@.+:\d+#\d+$`, s.Identity)
		require.Zero(t, s.Restarts)
		require.NoError(t, s.LastError)

		require.NoError(t, stop())
		require.Equal(t, StateStopped, state(t, reg, "a"))
		require.Equal(t, []string{"start", "stop"}, calls)
		require.Zero(t, server.openClients())
		require.ErrorIs(t, reg.Run(t.Context()), ErrNotRunnable)
		require.ErrorIs(t, reg.Register(newFakeAgent("b")), ErrNotRunnable)
	})
}

// That the server lists a new worker a moment late is no error; that it does
// not list it at all is one.
func TestListedLate(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration
		err   string
	}{
		"a moment": {quietStart / 2, ""},
		"a while":  {3 * quietStart, "the server does not list a@"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, server := newFake()
				server.hideUntil(time.Now().Add(c.after))
				stop := start(t, reg, newFakeAgent("a"))
				require.NoError(t, reg.WaitReady(t.Context()))
				s, err := reg.AgentStatus("a")
				require.NoError(t, err)
				if c.err == "" {
					require.NoError(t, s.LastError)
				} else {
					require.ErrorContains(t, s.LastError, c.err)
				}
				require.NoError(t, stop())
			})
		})
	}
}

// A server that comes up after the registry is found without help.
func TestServerComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, server := newFake()
		server.setDown(errDown)
		stop := start(t, reg, newFakeAgent("a"))
		time.Sleep(time.Minute)
		s, err := reg.AgentStatus("a")
		require.NoError(t, err)
		require.Equal(t, StateStarting, s.State)
		require.ErrorIs(t, s.LastError, errDown)
		require.Contains(t, s.Doing, "before it starts again")
		require.Equal(t, server.dials(), s.Restarts+1)
		require.Less(t, server.dials(), 20)

		server.setDown(nil)
		began := time.Now()
		require.NoError(t, reg.WaitReady(t.Context(), "a"))
		require.LessOrEqual(t, time.Since(began), DefaultBackOffMax)
		require.NoError(t, stop())
	})
}

// A lost server is noticed within 10 s; the worker is not rebuilt for it.
func TestServerLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, server := newFake()
		stop := start(t, reg, newFakeAgent("a"))
		require.NoError(t, reg.WaitReady(t.Context()))
		identity := server.worker(t).options.Identity

		server.setDown(errDown)
		time.Sleep(10 * time.Second)
		require.Equal(t, StateStarting, state(t, reg, "a"))

		server.setDown(nil)
		require.NoError(t, reg.WaitReady(t.Context()))
		require.Equal(t, identity, server.worker(t).options.Identity)
		s, err := reg.AgentStatus("a")
		require.NoError(t, err)
		require.ErrorIs(t, s.LastError, errDown)
		require.NoError(t, stop())
	})
}

// Neither an error nor a panic nor a hanging method of one agent is felt by
// another one.
func TestTroubleStaysWithItsAgent(t *testing.T) {
	cases := map[string]struct {
		spoil func(*fakeAgent)
		err   string
	}{
		"start fails":  {func(a *fakeAgent) { a.onStart = func(context.Context) error { return errors.New("no GPU") } }, "start: no GPU"},
		"start panics": {func(a *fakeAgent) { a.onStart = func(context.Context) error { panic("boom") } }, "start: panic: boom"},
		"start hangs": {func(a *fakeAgent) {
			a.onStart = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		}, ""},
		"unhealthy":           {func(a *fakeAgent) { a.onCheck = func(context.Context) error { return errors.New("sick") } }, "health check: sick"},
		"health check panics": {func(a *fakeAgent) { a.onCheck = func(context.Context) error { panic("boom") } }, "health check: panic: boom"},
		"description panics":  {func(a *fakeAgent) { a.onDescribe = func() map[string]string { panic("boom") } }, "description: panic: boom"},
		"health check hangs": {func(a *fakeAgent) {
			a.onCheck = func(ctx context.Context) error { <-ctx.Done(); return nil }
		}, "health check: no answer in time"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, _ := newFake()
				bad, good := newFakeAgent("bad"), newFakeAgent("good")
				c.spoil(bad)
				stop := start(t, reg, bad, good)
				require.NoError(t, reg.WaitReady(t.Context(), "good"))
				for range 10 {
					time.Sleep(time.Second)
					require.Equal(t, StateReady, state(t, reg, "good"))
					require.Equal(t, StateStarting, state(t, reg, "bad"))
				}
				s, err := reg.AgentStatus("bad")
				require.NoError(t, err)
				if c.err != "" {
					require.EqualError(t, s.LastError, c.err)
				}
				require.NoError(t, stop())
			})
		})
	}
}

func TestPermanentErrors(t *testing.T) {
	cases := map[string]struct {
		spoil func(*fakeAgent, *fakeServer)
		err   string
	}{
		"a final class": {func(a *fakeAgent, _ *fakeServer) {
			a.onStart = func(context.Context) error {
				return fmt.Errorf("load: %w", retry.InvalidData.Errorf("model.pt: no Wqkv"))
			}
		}, `agent "a" failed: start: load: model.pt: no Wqkv`},
		"a marked error": {func(a *fakeAgent, _ *fakeServer) {
			a.onStart = func(context.Context) error { return fmt.Errorf("license: %w", retry.Final(errors.New("expired"))) }
		}, `agent "a" failed: start: license: expired`},
		"worker options": {func(a *fakeAgent, _ *fakeServer) {
			a.onConfigure = func(o *worker.Options) { o.MaxConcurrentWorkflowTaskPollers = 1 }
		}, `agent "a" failed: build worker: panic: cannot set MaxConcurrentWorkflowTaskPollers to 1`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, server := newFake()
				reg.newWorker = func(c client.Client, queue string, o worker.Options) worker.Worker {
					if o.MaxConcurrentWorkflowTaskPollers == 1 {
						panic("cannot set MaxConcurrentWorkflowTaskPollers to 1")
					}
					return server.newWorker(c, queue, o)
				}
				a := newFakeAgent("a")
				stops := 0
				a.onStop = func(context.Context) error { stops++; return nil }
				c.spoil(a, server)
				stop := start(t, reg, a, newFakeAgent("b"))
				require.EqualError(t, reg.WaitReady(t.Context()), c.err)
				require.Equal(t, StateFailed, state(t, reg, "a"))
				require.NoError(t, reg.WaitReady(t.Context(), "b"))
				require.Equal(t, 1, stops)
				require.EqualError(t, stop(), c.err)
			})
		})
	}
}

// The SDK's worker ends itself at a fatal error; the agent gets a new one.
func TestFatalWorkerError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, server := newFake()
		a := newFakeAgent("a")
		own := 0
		a.onConfigure = func(o *worker.Options) { o.OnFatalError = func(error) { own++ } }
		var calls []string
		a.onStart = func(context.Context) error { calls = append(calls, "start"); return nil }
		a.onStop = func(context.Context) error { calls = append(calls, "stop"); return nil }
		stop := start(t, reg, a)
		require.NoError(t, reg.WaitReady(t.Context()))
		first := server.worker(t)

		gone := errors.New("namespace not found")
		first.options.OnFatalError(gone)
		synctest.Wait()
		require.Equal(t, StateStarting, state(t, reg, "a"))
		require.NoError(t, reg.WaitReady(t.Context()))
		second := server.worker(t)
		require.NotEqual(t, first.options.Identity, second.options.Identity)
		s, err := reg.AgentStatus("a")
		require.NoError(t, err)
		require.Equal(t, 1, s.Restarts)
		require.EqualError(t, s.LastError, "worker: namespace not found")
		require.Equal(t, 1, own)
		require.NoError(t, stop())
		require.Equal(t, []string{"start", "stop", "start", "stop"}, calls)
	})
}

func TestAddAndRemoveWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, server := newFake()
		stop := start(t, reg, newFakeAgent("a"))
		require.NoError(t, reg.WaitReady(t.Context()))
		require.NoError(t, reg.Register(newFakeAgent("b")))
		require.NoError(t, reg.WaitReady(t.Context(), "a", "b"))

		require.NoError(t, reg.Remove(t.Context(), "a"))
		require.Equal(t, "b", server.worker(t).queue[:1])
		require.Len(t, reg.Status(), 1)
		err := reg.Remove(t.Context(), "a")
		var missing *NotFoundError
		require.ErrorAs(t, err, &missing)
		require.EqualError(t, err, `no agent "a": registered are "b"`)
		require.ErrorAs(t, reg.WaitReady(t.Context(), "a"), &missing)

		require.NoError(t, reg.Register(newFakeAgent("a")))
		require.NoError(t, reg.WaitReady(t.Context()))
		require.NoError(t, stop())
	})
}
