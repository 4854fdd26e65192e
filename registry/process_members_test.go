package registry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// A process of a program with several registries is one of the registry that has the
// agent; the others wait with it.
func TestProcessOfSeveralRegistries(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"has two registries", "has two registries at once"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			reg, stop := runProcesses(t, Options{}, inRole(t, role))
			s := waitReady(t, reg)
			require.NoError(t, s.LastError)
			require.Zero(t, s.Restarts)
			require.NoError(t, stop())
		})
	}
}

// Which registry of its program a process belongs to.
func TestMembers(t *testing.T) {
	t.Parallel()
	type member struct {
		agent, namespace, queue string
		after                   time.Duration // until it is made and runs
	}
	a := func(namespace string) member { return member{agent: "a", namespace: namespace} }
	other := member{agent: "b"}
	late := func(m member, after time.Duration) member { m.after = after; return m }
	onQueue := func(m member, queue string) member { m.queue = queue; return m }
	const (
		none      = `this process is to run the agent "a", which its program does not register`
		ambiguous = `several registries of this program have the agent "a", and neither task queue, namespace nor address tells which one`
		tooLate   = "the one that began to run first had taken it"
	)
	for name, c := range map[string]struct {
		namespace string // of the parent's registry
		members   []member
		runs      int // the member that runs the agent, -1 for none
		after     time.Duration
		err       string
	}{
		"one":                                 {"", []member{a("")}, 0, 0, ""},
		"one, of an unknown namespace":        {"", []member{a("x")}, 0, 0, ""},
		"the second":                          {"", []member{other, a("")}, 1, 0, ""},
		"the first":                           {"", []member{a(""), other}, 0, 0, ""},
		"by the namespace":                    {"y", []member{a("x"), a("y")}, 1, 0, ""},
		"by the namespace, however late":      {"y", []member{a("x"), late(a("y"), lateTimeout/2)}, 1, lateTimeout / 2, ""},
		"another namespace, if need be":       {"y", []member{a("x"), other}, 0, lateTimeout, ""},
		"by the task queue":                   {"x", []member{onQueue(a("x"), "elsewhere"), a("x")}, 1, 0, ""},
		"the last is late":                    {"", []member{other, late(a(""), lateTimeout/2)}, 1, lateTimeout / 2, ""},
		"none":                                {"", []member{other, other}, -1, lateTimeout, none},
		"alike":                               {"", []member{a(""), a("")}, -1, lateTimeout, ambiguous},
		"none fits":                           {"z", []member{a("x"), a("y")}, -1, lateTimeout, ambiguous},
		"one is there already that is so too": {"x", []member{a("x"), late(a("x"), time.Hour)}, 0, 0, tooLate},
		"one fits better, but is too late":    {"y", []member{a("x"), late(a("y"), time.Hour)}, 0, lateTimeout, tooLate},
		"one that fits less comes later":      {"x", []member{a("x"), late(a("y"), time.Hour)}, 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hello := process.Hello{Protocol: process.Version, Agent: "a", TaskQueue: "a-tasks", Namespace: c.namespace, Target: "what Options.Dial dials"}
				child := newChild(process.NewConn(nil, nil), hello, nil)
				ctx, cancel := context.WithCancel(t.Context())
				type outcome struct {
					member int
					s      *supervisor
					err    error
					at     time.Duration
				}
				ended := make(chan outcome, len(c.members))
				begun := time.Now()
				newMember := func(m member) *Registry {
					reg, _ := newFake()
					reg.become(child, nil)
					agent := newFakeAgent(m.agent)
					if m.queue != "" {
						agent.Base = agent.OnTaskQueue(m.queue)
					}
					if err := reg.Register(agent, WithNamespace(m.namespace)); err != nil {
						t.Error(err)
					}
					return reg
				}
				var early []*Registry
				for _, m := range c.members {
					if m.after == 0 {
						early = append(early, newMember(m))
					}
				}
				for i, m := range c.members {
					go func() {
						var reg *Registry
						if m.after == 0 {
							reg = early[i] // the late ones are the last
						} else {
							time.Sleep(m.after)
							reg = newMember(m)
						}
						s, err := child.await(ctx, reg)
						ended <- outcome{i, s, err, time.Since(begun)}
					}()
				}
				time.Sleep(2 * time.Hour)
				cancel()
				runs := -1
				for range c.members {
					o := <-ended
					switch {
					case o.s != nil:
						require.Equal(t, -1, runs, "two run the agent")
						runs = o.member
						require.Equal(t, c.after, o.at)
					case c.runs < 0:
						require.ErrorContains(t, o.err, c.err)
						require.Equal(t, c.after, o.at)
					default:
						require.NoError(t, o.err)
					}
				}
				require.Equal(t, c.runs, runs)
				select {
				case err := <-child.members.clash:
					require.NotEmpty(t, c.err)
					require.ErrorContains(t, err, c.err)
				default:
					require.Equal(t, c.runs < 0, c.err != "", "a registry that came too late was not noticed")
				}
			})
		})
	}
}

// The last word of a process whose registries are not clear is final.
func TestMembersClash(t *testing.T) {
	t.Parallel()
	p := joined(t, "a")
	one, two := p.registry(t), p.registry(t)
	require.NoError(t, one.Register(newFakeAgent("a")))
	errs := make(chan error, 2)
	go func() { errs <- one.Run(t.Context()) }()
	p.next(t, process.TypeStatus)
	require.NoError(t, two.Register(newFakeAgent("a")))
	go func() { errs <- two.Run(t.Context()) }()
	bye := p.next(t, process.TypeBye)
	require.True(t, bye.Final)
	require.Contains(t, bye.Error, "register the agent with both before")
	require.Equal(t, 1, countErrors(<-errs, <-errs), "the other one has no more to say")
	p.hangUp(t)
	require.Equal(t, orphaned, <-p.exited)
}

func countErrors(errs ...error) (n int) {
	for _, err := range errs {
		if err != nil {
			n++
		}
	}
	return n
}

// twoRegistries is a program with two, of which the second has the agent. It ends when
// one of them does.
func (t *troupe) twoRegistries(atOnce bool) int {
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error, 2)
	run := func(name string) {
		reg := New(Options{Dial: t.server.dial})
		reg.newWorker = t.server.newWorker
		a := newFakeAgent(name)
		a.onStart = otherWaits
		if err := reg.Register(a, Process()); err != nil {
			errs <- err
			return
		}
		go func() {
			err := reg.Run(ctx)
			cancel()
			errs <- err
		}()
	}
	for _, name := range []string{"b", "a"} {
		if atOnce {
			go run(name)
		} else {
			run(name)
		}
	}
	if errors.Join(<-errs, <-errs) != nil {
		return 1
	}
	return 0
}

// otherWaits returns when a registry waits for the one that runs the agent.
func otherWaits(ctx context.Context) error {
	c, err := asChild()
	if err != nil {
		return err
	}
	for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
		c.members.mu.Lock()
		waiting := c.members.waiting
		c.members.mu.Unlock()
		if waiting == 1 {
			return nil
		}
	}
	return ctx.Err()
}
