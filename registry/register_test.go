package registry

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
)

type nameless struct{ *fakeAgent }

func (nameless) Name() string { return "" }

type panicking struct{ *fakeAgent }

func (panicking) Workflows() []agent.Binding { panic("no workflows today") }

type idle struct{ *fakeAgent }

func (idle) Workflows() []agent.Binding  { return nil }
func (idle) Activities() []agent.Binding { return nil }

func TestRegisterRefuses(t *testing.T) {
	onQueue := func(name, queue string) *fakeAgent {
		a := newFakeAgent(name)
		a.Base = a.OnTaskQueue(queue)
		return a
	}
	var none *fakeAgent
	given := &fakeClient{}
	cases := map[string]struct {
		options Options
		agent   agent.Agent
		agentOp []AgentOption
		err     string
	}{
		"nil":             {agent: nil, err: "agent is nil"},
		"nil pointer":     {agent: none, err: "agent is nil"},
		"no name":         {agent: nameless{newFakeAgent("x")}, err: "name is empty"},
		"no queue":        {agent: onQueue("x", ""), err: "task queue is empty"},
		"nothing to do":   {agent: idle{newFakeAgent("x")}, err: `agent "x" has neither workflows nor activities`},
		"a panic":         {agent: panicking{newFakeAgent("x")}, err: "no workflows today"},
		"same name":       {agent: newFakeAgent("first"), err: `agent "first" conflicts with the registered agent "first": the name is taken`},
		"same task queue": {agent: onQueue("x", "first-tasks"), err: `agent "x" conflicts with the registered agent "first": both poll the task queue "first-tasks"`},
		"worker options panic": {agent: newFakeAgent("x"), agentOp: []AgentOption{WithWorkerOptions(func(*worker.Options) { panic("no") })},
			err: `register agent "x": worker options: panic: no`},
		"client options without a dial": {agent: newFakeAgent("x"), agentOp: []AgentOption{WithClientOptions(func(*client.Options) {})},
			options: Options{Client: given}, err: "WithClientOptions has no effect"},
		"client options without effect": {agent: newFakeAgent("x"), options: Options{Client: given, ClientOptions: func(*client.Options) {}},
			err: "ClientOptions has no effect"},
		"client and dial": {agent: newFakeAgent("x"), options: Options{Client: given, Dial: func(context.Context, string) (client.Client, error) { return given, nil }},
			err: "Client and Dial are both set"},
		"check interval": {agent: newFakeAgent("x"), options: Options{CheckInterval: time.Minute}, err: "CheckInterval is 1m0s, want more than 0 and at most 5s"},
		"back-off":       {agent: newFakeAgent("x"), options: Options{BackOff: BackOff{Initial: time.Minute, Max: time.Second}}, err: "BackOff is from 1m0s to 1s"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := New(c.options)
			if reg.options.validate() == nil && c.options.Client == nil {
				require.NoError(t, reg.Register(newFakeAgent("first")))
			}
			before := len(reg.Status())
			require.ErrorContains(t, reg.Register(c.agent, c.agentOp...), c.err)
			require.Len(t, reg.Status(), before)
		})
	}
}

// One queue name in two namespaces, or on two servers, is two queues.
func TestTaskQueuesOfOneName(t *testing.T) {
	t.Parallel()
	reg := New(Options{})
	onQueue := func(name string) *fakeAgent {
		a := newFakeAgent(name)
		a.Base = a.OnTaskQueue("tasks")
		return a
	}
	require.NoError(t, reg.Register(onQueue("a")))
	require.NoError(t, reg.Register(onQueue("b"), WithNamespace("other")))
	require.NoError(t, reg.Register(onQueue("c"), WithClientOptions(func(o *client.Options) { o.HostPort = "elsewhere:7233" })))
	require.NoError(t, reg.Register(onQueue("d"), WithClient(&fakeClient{})))
	require.Error(t, reg.Register(onQueue("e")))
	require.Error(t, reg.Register(onQueue("f"), WithNamespace("other")))
}

func TestRemoveBeforeRun(t *testing.T) {
	t.Parallel()
	reg := New(Options{})
	require.EqualError(t, reg.Remove(t.Context(), "a"), `no agent "a": none is registered`)
	require.NoError(t, reg.Register(newFakeAgent("a")))
	require.NoError(t, reg.Remove(t.Context(), "a"))
	require.Empty(t, reg.Status())
}

func TestRunTwice(t *testing.T) {
	t.Parallel()
	reg, _ := newFake()
	stop := start(t, reg, newFakeAgent("a"))
	require.NoError(t, reg.WaitReady(t.Context()))
	require.ErrorIs(t, reg.Run(t.Context()), ErrNotRunnable)
	require.NoError(t, stop())
}

func TestWaitReadyGivesUp(t *testing.T) {
	t.Parallel()
	reg, server := newFake()
	server.setDown(errDown)
	stop := start(t, reg, newFakeAgent("a"))
	eventually(t, reg, "nothing was dialled", func(s Status) bool { return s.LastError != nil })
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	err := reg.WaitReady(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, errDown)
	require.ErrorContains(t, err, `agent "a" is not ready but starting for `)
	require.NoError(t, stop())
}
