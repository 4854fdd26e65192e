package registry

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
)

// member is an agent whose type names are its own.
type member struct {
	*fakeAgent
	log *[]string
}

func newMember(name string, log *[]string) *member {
	m := &member{newFakeAgent(name), log}
	m.Base = m.OnTaskQueue("shared-tasks")
	m.onStart = func(context.Context) error { *log = append(*log, "start "+name); return nil }
	m.onStop = func(context.Context) error { *log = append(*log, "stop "+name); return nil }
	m.onConfigure = func(o *worker.Options) { o.MaxConcurrentActivityExecutionSize++ }
	return m
}

func (*member) Workflows() []agent.Binding { return nil }

func (m *member) Activities() []agent.Binding {
	return agent.Bind(agent.NewActivity[struct{}, struct{}](fakeDomain, "work-"+m.Name()).To(
		func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }))
}

func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, server := newFake()
		var log []string
		a, b, c := newMember("a", &log), newMember("b", &log), newMember("c", &log)
		require.NoError(t, reg.Register(Shared(a, b, c)))
		stop := start(t, reg)
		require.NoError(t, reg.WaitReady(t.Context(), "a+b+c"))
		s, err := reg.AgentStatus("a+b+c")
		require.NoError(t, err)
		require.Equal(t, []string{"work-a", "work-b", "work-c"}, s.Activities)
		require.Equal(t, 3, server.worker(t).options.MaxConcurrentActivityExecutionSize)
		require.NoError(t, stop())
		require.Equal(t, []string{"start a", "start b", "start c", "stop c", "stop b", "stop a"}, log)
	})
}

// One that fails to start holds up the others, and all that were started are
// stopped before the next attempt.
func TestSharedStartFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, _ := newFake()
		var log []string
		a, b, c := newMember("a", &log), newMember("b", &log), newMember("c", &log)
		attempts := 0
		b.onStart = func(context.Context) error {
			if attempts++; attempts == 1 {
				return errors.New("no GPU")
			}
			return nil
		}
		c.onStop = func(context.Context) error { log = append(log, "stop c"); panic("worn out") }
		require.NoError(t, reg.Register(Shared(a, b, c)))
		stop := start(t, reg)
		require.NoError(t, reg.WaitReady(t.Context()))
		s, err := reg.AgentStatus("a+b+c")
		require.NoError(t, err)
		require.EqualError(t, s.LastError, "start: b: no GPU")
		require.EqualError(t, stop(), `agent "a+b+c": stop: c: panic: worn out`)
		require.Equal(t, []string{"start a", "stop b", "stop a", "start a", "start c", "stop c", "stop b", "stop a"}, log)
	})
}

func TestSharedHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, _ := newFake()
		var log []string
		a, b := newMember("a", &log), newMember("b", &log)
		b.onCheck = func(context.Context) error { return errors.New("sick") }
		require.NoError(t, reg.Register(Shared(a, b)))
		stop := start(t, reg)
		synctest.Wait()
		require.Equal(t, StateStarting, state(t, reg, "a+b"))
		s, err := reg.AgentStatus("a+b")
		require.NoError(t, err)
		require.EqualError(t, s.LastError, "health check: b: sick")
		require.NoError(t, stop())
	})
}

// What agents tell of themselves stands in their status, and goes on changing.
func TestDetails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, _ := newFake()
		var log []string
		alone, a, b := newFakeAgent("alone"), newMember("a", &log), newMember("b", &log)
		var used atomic.Int64
		alone.onDescribe = func() map[string]string {
			return map[string]string{"device": "cuda:0", "memory_used_mb": strconv.FormatInt(used.Add(1), 10)}
		}
		b.onDescribe = func() map[string]string { return map[string]string{"model": "x"} }
		require.NoError(t, reg.Register(alone))
		require.NoError(t, reg.Register(Shared(a, b)))
		stop := start(t, reg)
		require.NoError(t, reg.WaitReady(t.Context()))
		s, err := reg.AgentStatus("alone")
		require.NoError(t, err)
		require.Equal(t, "cuda:0", s.Details["device"])
		before := s.Details["memory_used_mb"]
		s.Details["device"] = "spoilt"
		time.Sleep(time.Minute)
		s, err = reg.AgentStatus("alone")
		require.NoError(t, err)
		require.Equal(t, "cuda:0", s.Details["device"])
		require.NotEqual(t, before, s.Details["memory_used_mb"])
		s, err = reg.AgentStatus("a+b")
		require.NoError(t, err)
		require.Equal(t, map[string]string{"b.model": "x"}, s.Details)
		require.NoError(t, stop())
	})
}

func TestSharedRefused(t *testing.T) {
	t.Parallel()
	var log []string
	elsewhere := newMember("x", &log)
	elsewhere.Base = elsewhere.OnTaskQueue("x-tasks")
	sameTypes := func(name string) *fakeAgent {
		f := newFakeAgent(name)
		f.Base = f.OnTaskQueue("shared-tasks")
		return f
	}
	cases := map[string]struct {
		agents []agent.Agent
		err    string
	}{
		"none":         {nil, "registry.Shared: no agents"},
		"nil":          {[]agent.Agent{nil}, "registry.Shared: agent is nil"},
		"one name":     {[]agent.Agent{newMember("a", &log), newMember("a", &log)}, `two agents are named "a"`},
		"two queues":   {[]agent.Agent{newMember("a", &log), elsewhere}, `agent "x" has the task queue "x-tasks", but "a" has "shared-tasks"`},
		"one activity": {[]agent.Agent{sameTypes("a"), sameTypes("b")}, `agent "a+b": activity "work" is bound twice`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, New(Options{}).Register(Shared(c.agents...)), c.err)
		})
	}
}
