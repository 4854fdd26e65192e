package agenttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/agenttest"
)

func TestConformance(t *testing.T) {
	t.Run("greeter", func(t *testing.T) {
		agenttest.Conformance(t, func() agent.Agent { return newGreeter() })
	})
	t.Run("fake", func(t *testing.T) {
		agenttest.Conformance(t, func() agent.Agent {
			fake := agenttest.NewFake(phonebook)
			agenttest.Mock(fake, lookup)
			agenttest.MockWorkflow(fake, dial, func(workflow.Context, number) (greeting, error) { return greeting{}, nil })
			return fake
		})
	})
	t.Run("all types", func(t *testing.T) {
		agenttest.Conformance(t, func() agent.Agent {
			fake := agenttest.NewFake(phonebook)
			accepts[int](fake, "int")
			accepts[float64](fake, "float")
			accepts[string](fake, "string")
			accepts[bool](fake, "bool")
			accepts[[]byte](fake, "bytes")
			accepts[[2]int](fake, "array")
			accepts[map[string]*name](fake, "map")
			accepts[*number](fake, "pointer")
			accepts[any](fake, "any")
			accepts[json.RawMessage](fake, "raw")
			accepts[time.Time](fake, "time")
			accepts[struct{}](fake, "nothing")
			accepts[tree](fake, "tree")
			accepts[careful](fake, "careful")
			return fake
		})
	})
}

// accepts gives the fake an activity and a workflow of the type. They must not
// run: the suite sends what is refused before.
func accepts[T any](fake *agenttest.Fake, name string) {
	agenttest.Mock(fake, agent.NewActivity[T, T](phonebook, name)).Panic("it ran")
	agenttest.MockWorkflow(fake, agent.NewWorkflow[T, T](phonebook, name), func(workflow.Context, T) (T, error) { panic("it ran") })
}

// tree holds itself.
type tree struct {
	Name     string          `json:"name"`
	Children []*tree         `json:"children"`
	ByName   map[string]tree `json:"by_name"`
	At       *time.Time      `json:"at"`
	hidden   chan int
}

// careful has a Validate that takes nothing for granted.
type careful struct {
	Tree *tree `json:"tree"`
}

func (c careful) Validate() error {
	if c.Tree == nil || len(c.Tree.Children) == 0 || c.Tree.Children[0] == nil {
		return errors.New("no tree")
	}
	c.Tree.hidden = nil
	return nil
}

// Types that go wrong.

type careless struct {
	Trees []*tree `json:"trees"`
}

func (c careless) Validate() error {
	for _, t := range c.Trees {
		if t.Name == "" {
			return errors.New("no name")
		}
	}
	return nil
}

type pointerValidate struct {
	First string `json:"first"`
}

func (p *pointerValidate) Validate() error { return nil }

type secret struct{ number int } //nolint:unused // the suite looks at the type alone

type callback struct {
	Done func() `json:"done"`
}

type channel struct {
	Done chan<- int `json:"done"`
}

// lossy is another value when it arrives.
type lossy struct{ At halved }

type halved int

func (h halved) MarshalJSON() ([]byte, error)  { return json.Marshal(int(h) + 1) }
func (h *halved) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*int)(h)) }

// panicking panics instead of reporting what is wrong.
type panicking struct{ Text string }

func (p *panicking) UnmarshalJSON(b []byte) error { p.Text = string(b[5]); return nil }

// with returns what makes a fake with an activity of the type.
func with[T any]() func() agent.Agent {
	return func() agent.Agent {
		fake := agenttest.NewFake(phonebook)
		agenttest.Mock(fake, agent.NewActivity[T, struct{}](phonebook, "act"))
		return fake
	}
}

// other is the greeter with something wrong.
type other struct {
	*greeter
	name       func() string
	policy     *temporal.RetryPolicy
	activities []agent.Binding
	configure  func(*worker.Options)
	start      func(context.Context) error
	stop       func(context.Context) error
	health     func(context.Context) error
}

func (o *other) Name() string {
	if o.name != nil {
		return o.name()
	}
	return o.greeter.Name()
}

func (o *other) RetryPolicy() *temporal.RetryPolicy { return o.policy }

func (o *other) Activities() []agent.Binding {
	if o.activities != nil {
		return o.activities
	}
	return o.greeter.Activities()
}

func (o *other) ConfigureWorker(w *worker.Options) {
	if o.configure != nil {
		o.configure(w)
	}
}

func call(ctx context.Context, f, instead func(context.Context) error) error {
	if f != nil {
		return f(ctx)
	}
	return instead(ctx)
}

func (o *other) Start(ctx context.Context) error { return call(ctx, o.start, o.greeter.Start) }
func (o *other) Stop(ctx context.Context) error  { return call(ctx, o.stop, o.greeter.Stop) }
func (o *other) CheckHealth(ctx context.Context) error {
	return call(ctx, o.health, func(context.Context) error { return nil })
}

func newOther(change func(*other)) func() agent.Agent {
	return func() agent.Agent {
		o := &other{greeter: newGreeter()}
		change(o)
		return o
	}
}

// The suite finds what it says it does.
func TestConformanceFinds(t *testing.T) {
	var calls atomic.Int64
	ok := greet.To(newGreeter().greet)
	boom := errors.New("boom")
	cases := []struct {
		name, check, want string
		agent             func() agent.Agent
	}{
		{"no agent", "valid", "agent is nil", func() agent.Agent { return nil }},
		{"bound twice", "valid", `activity "greet" is bound twice`, newOther(func(o *other) { o.activities = agent.Bind(ok, ok) })},

		{"name that changes", "values", "two calls: Name differ", newOther(func(o *other) {
			o.name = func() string { return strings.Repeat("x", int(calls.Add(1))) }
		})},
		{"name of the instance", "values", "two new agents: Name differ", newOther(func(o *other) {
			own := strings.Repeat("x", int(calls.Add(1)))
			o.name = func() string { return own }
		})},
		{"panic", "values", "panic: no name", newOther(func(o *other) { o.name = func() string { panic("no name") } })},
		{"policy: interval", "values", "InitialInterval = -1ns is negative", policy(temporal.RetryPolicy{InitialInterval: -1})},
		{"policy: coefficient", "values", "BackoffCoefficient = 0.5 is less than 1", policy(temporal.RetryPolicy{BackoffCoefficient: 0.5})},
		{"policy: negative maximum", "values", "MaximumInterval = -1ns is negative", policy(temporal.RetryPolicy{MaximumInterval: -1})},
		{"policy: maximum", "values", "MaximumInterval = 1ns is less than InitialInterval = 1s", policy(temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: 1})},
		{"policy: attempts", "values", "MaximumAttempts = -2147483648 is negative", policy(temporal.RetryPolicy{MaximumAttempts: math.MinInt32})},

		{"bound twice", "registration", `register with a worker: panic: activity type "greet" is already registered`,
			newOther(func(o *other) { o.activities = agent.Bind(ok, ok) })},
		{"worker options", "registration", "register with a worker: panic: no options", newOther(func(o *other) {
			o.configure = func(*worker.Options) { panic("no options") }
		})},
		{"worker options that the SDK refuses", "registration", "register with a worker: panic: ", newOther(func(o *other) {
			o.configure = func(w *worker.Options) { w.MaxConcurrentWorkflowTaskPollers = 1 }
		})},

		{"no exported fields", "types", "input of act: the type agenttest_test.secret has no exported fields", with[secret]()},
		{"function", "types", "input of act: the type agenttest_test.callback cannot be sent as JSON", with[callback]()},
		{"channel", "types", "input of act: the type agenttest_test.channel cannot be sent as JSON", with[channel]()},
		{"changes on its way", "types", `is sent as {"At":1}, and what is read from that as {"At":2}`, with[lossy]()},
		{"pointer receiver", "types", "its Validate has a pointer receiver and is never called", with[pointerValidate]()},
		{"careless Validate", "types", `its Validate of the request {"trees":[null]}: panic: `, with[careless]()},

		{"stop fails", "lifecycle", "stop: step 1, stop: boom", newOther(func(o *other) { o.stop = func(context.Context) error { return boom } })},
		{"start fails", "lifecycle", "step 1, start: boom", newOther(func(o *other) { o.start = func(context.Context) error { return boom } })},
		{"start only once", "lifecycle", "start, health, stop, stop, start, health, stop: step 5, start: boom", newOther(func(o *other) {
			started := false
			o.start = func(context.Context) error {
				if started {
					return boom
				}
				started = true
				return nil
			}
		})},
		{"stop twice", "lifecycle", "step 4, stop: panic: close of closed channel", newOther(func(o *other) {
			var done chan int
			o.start = func(context.Context) error { done = make(chan int); return nil }
			o.stop = func(context.Context) error {
				if done != nil {
					close(done)
				}
				return nil
			}
		})},
		{"ill", "lifecycle", "step 2, health: boom", newOther(func(o *other) { o.health = func(context.Context) error { return boom } })},
		{"another agent after start", "lifecycle", "before and after start: Name differ", newOther(func(o *other) {
			name := "early"
			o.name = func() string { return name }
			o.start = func(context.Context) error { name = "late"; return nil }
		})},

		{"panics", "types", "reading and checking the request null: panic: ", with[panicking]()},
		{"panics", "malformed requests", `activity act, request json/plain "null null": want an InvalidDataError, got: `, with[panicking]()},
	}
	for _, c := range cases {
		t.Run(c.check+"/"+c.name, func(t *testing.T) {
			require.ErrorContains(t, agenttest.Check(t.Context(), c.check, c.agent), c.want)
		})
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{temporal.NewNonRetryableApplicationError("bad", "InvalidDataError", nil), ""},
		{nil, "it was accepted, want an InvalidDataError"},
		{errors.New("bad"), "want an InvalidDataError, got: bad"},
		{temporal.NewNonRetryableApplicationError("bad", "FileNotFoundError", nil), "want an InvalidDataError, got: bad"},
		{temporal.NewApplicationError("bad", "InvalidDataError"), "want an error that is final, got one that is retried: bad"},
	} {
		if err := agenttest.Refused(c.err); c.want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, c.want)
		}
	}
}

func policy(p temporal.RetryPolicy) func() agent.Agent {
	return newOther(func(o *other) { o.policy = &p })
}

// A goroutine that is left is found, whoever started it; those of others are
// not.
func TestLeaks(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	go func() { <-stop }()
	require.NoError(t, agenttest.Leaks(t.Context(), func(context.Context) {}))
	err := agenttest.Leaks(t.Context(), func(context.Context) {
		go func() { go func() { <-stop }() }()
	})
	require.ErrorContains(t, err, "goroutines still run 50ms after the last Stop")
	require.ErrorContains(t, err, "TestLeaks")
}
