package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type name struct {
	First string `json:"first"`
	Pad   string `json:"pad,omitempty"`
}

func (n name) Validate() error {
	if n.First == "" {
		return errors.New("first is empty")
	}
	return nil
}

type greeting struct {
	Text string `json:"text"`
}

var (
	domain = agent.Domain{Name: "greeter", TaskQueue: "greeter-tasks", Retry: retry.CPU()}
	greet  = agent.NewActivity[name, greeting](domain, "greet", agent.StartToClose(time.Minute))
	hello  = agent.NewWorkflow[name, greeting](domain, "HelloWorkflow")
)

// greeter is an agent whose activity each test chooses.
type greeter struct {
	agent.Base
	greet func(context.Context, name) (greeting, error)
	hello func(workflow.Context, name) (greeting, error)
}

func (g *greeter) Activities() []agent.Binding { return agent.Bind(greet.To(g.greet)) }
func (g *greeter) Workflows() []agent.Binding  { return agent.Bind(hello.To(g.hello)) }

func newGreeter() *greeter {
	return &greeter{
		Base:  domain.Base(),
		greet: func(_ context.Context, n name) (greeting, error) { return greeting{"Hello " + n.First}, nil },
		hello: func(ctx workflow.Context, n name) (greeting, error) { return greet.Execute(ctx, n) },
	}
}

func environment(t *testing.T, a agent.Agent) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{retry.Interceptor()}})
	agent.RegisterWorkflows(env, a)
	agent.RegisterActivities(env, a)
	return env
}

func TestWorkflowCallsActivity(t *testing.T) {
	env := environment(t, newGreeter())
	env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
	require.NoError(t, env.GetWorkflowError())
	var out greeting
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, "Hello Ada", out.Text)
}

func jsonPayload(data string) converter.RawValue {
	return converter.NewRawValue(&commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)},
		Data:     []byte(data),
	})
}

// Malformed requests end as InvalidDataError after one attempt, at the workflow
// and at the activity.
func TestMalformedRequests(t *testing.T) {
	cases := []struct {
		name, payload      string
		workflow, activity string // part of the error, "" where it is accepted
	}{
		{"not JSON", `{"first":`, "the JSON ends too early", "the JSON ends too early"},
		{"wrong type", `{"first":7}`, "cannot unmarshal number", "cannot unmarshal number"},
		{"not an object", `[1,2]`, "cannot unmarshal array", "cannot unmarshal array"},
		{"null", `null`, "is missing", "is missing"},
		{"empty", ``, "the JSON ends too early", "the JSON ends too early"},
		{"trailing", `{"first":"Ada"} x`, "more after the JSON value", "more after the JSON value"},
		{"fails its own check", `{"first":""}`, "first is empty", "first is empty"},
		{"unknown field", `{"first":"Ada","lats":"x"}`, "", `unknown field "lats"`},
	}
	check := func(t *testing.T, err error, want string) {
		t.Helper()
		if want == "" {
			require.NoError(t, err)
			return
		}
		var app *temporal.ApplicationError
		require.ErrorAs(t, err, &app)
		require.Equal(t, "InvalidDataError", app.Type())
		require.True(t, app.NonRetryable())
		require.Contains(t, app.Message(), want)
	}
	for _, c := range cases {
		t.Run("workflow/"+c.name, func(t *testing.T) {
			env := environment(t, newGreeter())
			env.ExecuteWorkflow(hello.Name(), jsonPayload(c.payload))
			check(t, env.GetWorkflowError(), c.workflow)
		})
		t.Run("activity/"+c.name, func(t *testing.T) {
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			agent.RegisterActivities(env, newGreeter())
			_, err := env.ExecuteActivity(greet.Name(), jsonPayload(c.payload))
			check(t, err, c.activity)
		})
	}
}

func TestMissingInput(t *testing.T) {
	env := environment(t, newGreeter())
	env.ExecuteWorkflow(hello.Name())
	require.ErrorContains(t, env.GetWorkflowError(), "input of the workflow HelloWorkflow is missing")
}

func TestOversizedPayloads(t *testing.T) {
	big := strings.Repeat("x", agent.MaxPayloadBytes)
	t.Run("activity input is refused before it is scheduled", func(t *testing.T) {
		g := newGreeter()
		g.hello = func(ctx workflow.Context, n name) (greeting, error) {
			return greet.Execute(ctx, name{First: "Ada", Pad: big})
		}
		g.greet = func(context.Context, name) (greeting, error) {
			t.Error("the activity ran")
			return greeting{}, nil
		}
		env := environment(t, g)
		env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
		require.ErrorContains(t, env.GetWorkflowError(), fmt.Sprintf("more than the %d", agent.MaxPayloadBytes))
	})
	t.Run("activity result is final", func(t *testing.T) {
		attempts := 0
		g := newGreeter()
		g.greet = func(context.Context, name) (greeting, error) { attempts++; return greeting{big}, nil }
		env := environment(t, g)
		env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
		require.ErrorContains(t, env.GetWorkflowError(), "result of the activity greet has")
		require.Equal(t, 1, attempts)
	})
	t.Run("workflow result", func(t *testing.T) {
		g := newGreeter()
		g.hello = func(workflow.Context, name) (greeting, error) { return greeting{big}, nil }
		env := environment(t, g)
		env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
		require.ErrorContains(t, env.GetWorkflowError(), "result of the workflow HelloWorkflow has")
	})
	t.Run("workflow input", func(t *testing.T) {
		_, err := hello.Start(t.Context(), nil, name{First: "Ada", Pad: big})
		require.ErrorContains(t, err, "input of the workflow HelloWorkflow has")
	})
}

func TestResultThatCannotBeEncoded(t *testing.T) {
	act := agent.NewActivity[name, map[string]any](domain, "odd")
	b := act.To(func(context.Context, name) (map[string]any, error) { return map[string]any{"f": func() {}}, nil })
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	agent.RegisterActivities(env, &lists{Base: domain.Base(), activities: agent.Bind(b)})
	_, err := env.ExecuteActivity("odd", name{First: "Ada"})
	require.ErrorContains(t, err, "result of the activity odd cannot be encoded")
}

func TestGo(t *testing.T) {
	boom := errors.New("boom")
	cases := []struct {
		name string
		f    func(context.Context, name) (greeting, error)
		want string
	}{
		{"waits", func(ctx context.Context, _ name) (greeting, error) {
			agent.Go(ctx, func(context.Context) error { return nil })
			return greeting{"ok"}, nil
		}, ""},
		{"panic becomes the error", func(ctx context.Context, _ name) (greeting, error) {
			agent.Go(ctx, func(context.Context) error { panic("lost device") })
			<-ctx.Done()
			return greeting{}, ctx.Err()
		}, "panic in a goroutine of the activity: lost device"},
		{"error after the function returned", func(ctx context.Context, _ name) (greeting, error) {
			agent.Go(ctx, func(context.Context) error { return boom })
			return greeting{"ok"}, nil
		}, "boom"},
		{"own error comes first", func(ctx context.Context, _ name) (greeting, error) {
			agent.Go(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			return greeting{}, errors.New("own")
		}, "own"},
		{"panic of the function stops the goroutines", func(ctx context.Context, _ name) (greeting, error) {
			agent.Go(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
			panic("in front")
		}, "in front"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := newGreeter()
			g.greet = c.f
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			agent.RegisterActivities(env, g)
			_, err := env.ExecuteActivity(greet.Name(), name{First: "Ada"})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestActivitiesFollowTheWorkflowsQueue(t *testing.T) {
	other := agent.Domain{Name: "other", TaskQueue: "other-tasks"}
	foreign := agent.NewActivity[name, greeting](other, "foreign")
	queues := map[string]string{}
	g := newGreeter()
	g.hello = func(ctx workflow.Context, n name) (greeting, error) {
		if _, err := foreign.Execute(ctx, n); err != nil {
			return greeting{}, err
		}
		return greet.Execute(ctx, n)
	}
	env := environment(t, g)
	env.RegisterActivityWithOptions(func(context.Context, converter.RawValue) (greeting, error) { return greeting{}, nil },
		activity.RegisterOptions{Name: "foreign"})
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{TaskQueue: "greeter-blue"})
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		queues[info.ActivityType.Name] = info.TaskQueue
	})
	env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, map[string]string{"greet": "greeter-blue", "foreign": "other-tasks"}, queues)
}

// lists is an agent made of given lists.
type lists struct {
	agent.Base
	workflows, activities []agent.Binding
}

func (l *lists) Activities() []agent.Binding { return l.activities }
func (l *lists) Workflows() []agent.Binding  { return l.workflows }

func TestValidate(t *testing.T) {
	ok := greet.To(newGreeter().greet)
	wf := hello.To(newGreeter().hello)
	named := func(n string) agent.Agent {
		return &lists{Base: agent.Domain{Name: n, TaskQueue: "q"}.Base(), activities: agent.Bind(ok)}
	}
	var nilAgent *greeter
	cases := []struct {
		name  string
		agent agent.Agent
		want  string
	}{
		{"valid", newGreeter(), ""},
		{"nil", nil, "agent is nil"},
		{"nil pointer", nilAgent, "agent is nil"},
		{"empty name", named(""), `agent "": name is empty`},
		{"white space", named(" a"), "begins or ends with white space"},
		{"control character", named("a\x00b"), "not printable"},
		{"reserved", named("__temporal_x"), "Temporal keeps for itself"},
		{"too long", named(strings.Repeat("a", 1001)), "has 1001 bytes, more than 1000"},
		{"no queue", &lists{Base: agent.Domain{Name: "a"}.Base(), activities: agent.Bind(ok)}, `agent "a": task queue is empty`},
		{"nothing", &lists{Base: domain.Base()}, "has neither workflows nor activities"},
		{"bound twice", &lists{Base: domain.Base(), activities: agent.Bind(ok, ok)}, `activity "greet" is bound twice`},
		{"wrong list", &lists{Base: domain.Base(), activities: agent.Bind(wf)}, "stands in the wrong list"},
		{"no function", &lists{Base: domain.Base(), activities: agent.Bind(greet.To(nil))}, "is bound to no function"},
		{"zero binding", &lists{Base: domain.Base(), workflows: agent.Bind(agent.Binding{})}, "workflow 0 is a zero Binding"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := agent.Validate(c.agent)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestKeepAlive(t *testing.T) {
	var beats []int
	g := newGreeter()
	g.greet = func(ctx context.Context, _ name) (greeting, error) {
		n := 0
		stop := agent.KeepAlive(ctx, func() int { n++; return n })
		stop()
		return greeting{}, nil
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var n int
		require.NoError(t, details.Get(&n))
		beats = append(beats, n)
	})
	agent.RegisterActivities(env, g)
	_, err := env.ExecuteActivity(greet.Name(), name{First: "Ada"})
	require.NoError(t, err)
	require.NotEmpty(t, beats)
	require.Equal(t, 1, beats[0], "the first beat comes at once")
}

// A heartbeat that cannot be recorded is an error of its activity, not the end of the
// process.
func TestKeepAliveThatFails(t *testing.T) {
	for label, c := range map[string]struct {
		details func(n int) float64
		want    string
	}{
		"details that cannot be encoded": {func(int) float64 { return math.NaN() }, "NaN"},
		"panic":                          {func(n int) float64 { var none []float64; return none[n] }, "index out of range"},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			g := newGreeter()
			g.greet = func(ctx context.Context, _ name) (greeting, error) {
				n := 0
				defer agent.KeepAlive(ctx, func() float64 {
					if n++; n > 1 {
						return c.details(n)
					}
					return 1
				})()
				<-ctx.Done()
				return greeting{}, ctx.Err()
			}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			agent.RegisterActivities(env, g)
			_, err := env.ExecuteActivity(greet.Name(), name{First: "Ada"})
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.False(t, app.NonRetryable())
			require.ErrorContains(t, err, "heartbeat: panic in a goroutine of the activity: ")
			require.ErrorContains(t, err, c.want)
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"first":"Ada"}`, `{`, `null`, `[]`, `{"first":1}`, "\xff", `{"first":"a"}{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		g := newGreeter()
		agent.RegisterActivities(env, g)
		_, err := env.ExecuteActivity(greet.Name(), jsonPayload(string(data)))
		var n name
		if err == nil {
			require.NoError(t, json.Unmarshal(data, &n), "accepted what is no JSON")
			return
		}
		class, ok := retry.ClassOf(err)
		require.True(t, ok)
		require.Equal(t, retry.InvalidData, class)
	})
}

// A field of a workflow's input that is misspelt is ignored, but not without a word.
func TestIgnoredFieldIsLogged(t *testing.T) {
	for payload, want := range map[string]bool{`{"first":"Ada"}`: false, `{"first":"Ada","lats":"x"}`: true} {
		var buffer bytes.Buffer
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(&buffer, nil))))
		env := suite.NewTestWorkflowEnvironment()
		agent.RegisterWorkflows(env, newGreeter())
		agent.RegisterActivities(env, newGreeter())
		env.ExecuteWorkflow(hello.Name(), jsonPayload(payload))
		require.NoError(t, env.GetWorkflowError())
		require.Equal(t, want, strings.Contains(buffer.String(), `level=WARN msg="A field of the workflow's input is ignored"`), buffer.String())
		require.Equal(t, want, strings.Contains(buffer.String(), "lats"))
	}
}
