package registry

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/retry"
)

// The ladder: finish in peace, be cancelled, be named.
func TestStopLadder(t *testing.T) {
	cases := map[string]struct {
		timeout  time.Duration
		activity func(ctx context.Context)
		took     time.Duration
		err      string
	}{
		"nothing runs": {30 * time.Second, nil, 0, ""},
		"finishes in time": {30 * time.Second, func(context.Context) { time.Sleep(24 * time.Second) },
			24 * time.Second, ""},
		"heeds its cancellation": {30 * time.Second, func(ctx context.Context) { <-ctx.Done(); time.Sleep(time.Second) },
			26 * time.Second, ""},
		"short timeout": {time.Second, func(ctx context.Context) { <-ctx.Done() },
			800 * time.Millisecond, ""},
		"ignores its cancellation": {30 * time.Second, func(context.Context) { time.Sleep(time.Hour) },
			30 * time.Second, `agent "a" did not stop within 30s: still running: activity work of workflow w1 (attempt 1, for 30s)`},
		"no timeout": {-1, func(context.Context) { time.Sleep(time.Hour) },
			time.Hour, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, server := newFake(func(o *Options) { o.StopTimeout = c.timeout })
				a := newFakeAgent("a")
				released := make(chan struct{})
				a.onStop = func(context.Context) error { close(released); return nil }
				stop := start(t, reg, a)
				require.NoError(t, reg.WaitReady(t.Context()))
				activityEnded := make(chan struct{})
				if c.activity != nil {
					server.worker(t).execute(func(ctx context.Context) {
						defer close(activityEnded)
						c.activity(ctx)
						if ctx.Err() != nil && !errors.Is(context.Cause(ctx), worker.ErrWorkerShutdown) {
							t.Errorf("the cause is %v", context.Cause(ctx))
						}
					})
				} else {
					close(activityEnded)
				}

				began := time.Now()
				err := stop()
				require.Equal(t, c.took, time.Since(began))
				if c.err == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, c.err)
					require.Equal(t, StateDraining, state(t, reg, "a"))
					select {
					case <-released:
						t.Error("Stop was called while an activity ran")
					default:
					}
				}
				<-activityEnded
				<-released
				synctest.Wait()
				require.Equal(t, StateStopped, state(t, reg, "a"))
				require.Zero(t, server.openClients())
			})
		})
	}
}

// Whatever an agent's own methods do, a stop returns in time and says where it
// hangs.
func TestStopOfAHangingAgent(t *testing.T) {
	leave := make(chan struct{})
	hang := func(context.Context) error { <-leave; return nil }
	cases := map[string]struct {
		spoil func(*fakeAgent)
		err   string
	}{
		"in Start": {func(a *fakeAgent) { a.onStart = hang }, `agent "a" did not stop within 30s: it is in its Start`},
		"in Stop":  {func(a *fakeAgent) { a.onStop = hang }, `agent "a" did not stop within 30s: it is in its Stop`},
		"in CheckHealth": {func(a *fakeAgent) { a.onCheck = hang },
			`agent "a" did not stop within 30s: it is waiting for its CheckHealth or Describe to return`},
		"in Describe": {func(a *fakeAgent) { a.onDescribe = func() map[string]string { <-leave; return nil } },
			`agent "a" did not stop within 30s: it is waiting for its CheckHealth or Describe to return`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leave = make(chan struct{})
				reg, server := newFake()
				a := newFakeAgent("a")
				c.spoil(a)
				stop := start(t, reg, a, newFakeAgent("b"))
				require.NoError(t, reg.WaitReady(t.Context(), "b"))
				synctest.Wait()
				began := time.Now()
				var late *StopError
				err := stop()
				require.ErrorAs(t, err, &late)
				require.EqualError(t, err, c.err)
				require.Equal(t, DefaultStopTimeout, time.Since(began))
				close(leave)
				synctest.Wait()
				require.Equal(t, StateStopped, state(t, reg, "a"))
				require.Zero(t, server.openClients())
			})
		})
	}
}

// An agent's Stop may free what its CheckHealth and Describe look at: it waits for them,
// and so does the next life, whose checks would run beside the old one.
func TestStopWaitsForTheCheck(t *testing.T) {
	const hang = 20 * time.Second // far more than a check may take
	cases := map[string]struct {
		end   func(stop func() error, w *fakeWorker) error
		calls []string
	}{
		"the agent is stopped": {
			func(stop func() error, _ *fakeWorker) error { return stop() },
			[]string{"start", "check", "checked", "stop"},
		},
		"the worker fails": {
			func(stop func() error, w *fakeWorker) error {
				w.options.OnFatalError(errors.New("gone"))
				time.Sleep(hang + time.Minute)
				return stop()
			},
			[]string{"start", "check", "checked", "stop", "start", "check", "checked", "stop"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, in := range []string{"CheckHealth", "Describe"} {
				synctest.Test(t, func(t *testing.T) {
					reg, server := newFake()
					a := newFakeAgent("a")
					var mu sync.Mutex
					var calls []string
					note := func(call string) {
						mu.Lock()
						defer mu.Unlock()
						calls = append(calls, call)
					}
					first := true
					check := func() {
						if !first {
							return
						}
						first = false
						note("check")
						time.Sleep(hang)
						note("checked")
					}
					a.onStart = func(context.Context) error { note("start"); first = true; return nil }
					a.onStop = func(context.Context) error { note("stop"); return nil }
					if in == "CheckHealth" {
						a.onCheck = func(context.Context) error { check(); return nil }
					} else {
						a.onDescribe = func() map[string]string { check(); return nil }
					}
					stop := start(t, reg, a)
					time.Sleep(time.Second)
					require.NoError(t, c.end(stop, server.worker(t)))
					require.Equal(t, c.calls, calls)
				})
			}
		})
	}
}

func TestErrorOfStop(t *testing.T) {
	for name, onStop := range map[string]func(context.Context) error{
		"error": func(context.Context) error { return errors.New("cannot flush") },
		"panic": func(context.Context) error { panic("cannot flush") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg, _ := newFake()
				a := newFakeAgent("a")
				a.onStop = onStop
				stop := start(t, reg, a)
				require.NoError(t, reg.WaitReady(t.Context()))
				require.ErrorContains(t, stop(), "cannot flush")
				require.Equal(t, StateFailed, state(t, reg, "a"))
			})
		})
	}
}

// Stop has time even if draining took all there was.
func TestStopContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, server := newFake()
		a := newFakeAgent("a")
		var left time.Duration
		a.onStop = func(ctx context.Context) error {
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			left = time.Until(deadline)
			return nil
		}
		stop := start(t, reg, a)
		require.NoError(t, reg.WaitReady(t.Context()))
		server.worker(t).execute(func(context.Context) { time.Sleep(10 * time.Second) })
		require.NoError(t, stop())
		require.Equal(t, 20*time.Second, left)
	})
}

// The timeout of the worker options is the agent's own wish; the program's
// comes before it.
func TestStopTimeoutPrecedence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, _ := newFake()
		a, b, c := newFakeAgent("a"), newFakeAgent("b"), newFakeAgent("c")
		wish := func(o *worker.Options) { o.WorkerStopTimeout = time.Minute }
		b.onConfigure, c.onConfigure = wish, wish
		require.NoError(t, reg.Register(a))
		require.NoError(t, reg.Register(b))
		require.NoError(t, reg.Register(c, WithStopTimeout(time.Second)))
		require.Equal(t, DefaultStopTimeout, reg.agents["a"].stopTimeout())
		require.Equal(t, time.Minute, reg.agents["b"].stopTimeout())
		require.Equal(t, time.Second, reg.agents["c"].stopTimeout())
	})
}

// An agent that failed for good is forgotten without another complaint.
func TestRemoveOfAFailedAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, _ := newFake()
		a := newFakeAgent("a")
		a.onStart = func(context.Context) error { return retry.InvalidData.Errorf("corrupt") }
		stop := start(t, reg, a)
		require.Error(t, reg.WaitReady(t.Context()))
		synctest.Wait()
		require.NoError(t, reg.Remove(t.Context(), "a"))
		a.onStart = nil
		require.NoError(t, reg.Register(a))
		require.NoError(t, reg.WaitReady(t.Context()))
		require.NoError(t, stop())
	})
}

// Remove may give up waiting; the stop goes on, and the name is taken until it
// is over.
func TestRemoveWithAContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, server := newFake()
		stop := start(t, reg, newFakeAgent("a"))
		require.NoError(t, reg.WaitReady(t.Context()))
		server.worker(t).execute(func(context.Context) { time.Sleep(20 * time.Second) })

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, reg.Remove(ctx, "a"), context.DeadlineExceeded)
		require.Equal(t, StateDraining, state(t, reg, "a"))
		var conflict *ConflictError
		require.ErrorAs(t, reg.Register(newFakeAgent("a")), &conflict)
		require.EqualError(t, conflict, `agent "a" conflicts with the registered agent "a": it is being removed, but has not stopped yet`)

		require.NoError(t, reg.Remove(t.Context(), "a"))
		require.Empty(t, reg.Status())
		require.NoError(t, reg.Register(newFakeAgent("a")))
		require.NoError(t, reg.WaitReady(t.Context()))
		require.NoError(t, stop())
	})
}
