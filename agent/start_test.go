package agent_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// starting is a client that notes what is started through it.
type starting struct {
	sent
	activity      client.StartActivityOptions
	workflow      client.StartWorkflowOptions
	started, with []any // names and arguments
}

func (s *starting) ExecuteActivity(_ context.Context, o client.StartActivityOptions, name any, args ...any) (client.ActivityHandle, error) {
	s.activity, s.started = o, append([]any{name}, args...)
	return handle{id: o.ID, runID: "r", answer: s.answer}, s.err
}

func (s *starting) GetActivityHandle(o client.GetActivityHandleOptions) client.ActivityHandle {
	return handle{id: o.ActivityID, runID: o.RunID, answer: s.answer}
}

func (s *starting) SignalWithStartWorkflow(_ context.Context, id, signal string, v any, o client.StartWorkflowOptions, name any, args ...any) (client.WorkflowRun, error) {
	s.workflow, s.started, s.with = o, append([]any{name}, args...), []any{id, signal, v}
	return nil, s.err
}

func (s *starting) NewWithStartWorkflowOperation(o client.StartWorkflowOptions, name any, args ...any) client.WithStartWorkflowOperation {
	s.workflow, s.started = o, append([]any{name}, args...)
	return nil
}

func (s *starting) UpdateWithStartWorkflow(_ context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	s.with = []any{o.UpdateOptions.WorkflowID, o.UpdateOptions.UpdateName, o.UpdateOptions.UpdateID, o.UpdateOptions.Args[0]}
	return &s.sent, s.err
}

// handle is an activity that has ended.
type handle struct {
	client.ActivityHandle
	id, runID string
	answer    greeting
}

func (h handle) GetID() string    { return h.id }
func (h handle) GetRunID() string { return h.runID }
func (h handle) Get(_ context.Context, out any) error {
	*out.(*greeting) = h.answer
	return nil
}

func TestStartActivity(t *testing.T) {
	slow := agent.NewActivity[name, greeting](domain, "slow", agent.StartToClose(time.Hour), agent.Heartbeat(time.Minute), agent.Summary("slow"))
	c := &starting{sent: sent{answer: greeting{"Hello Ada"}}}
	run, err := slow.Start(t.Context(), c, name{First: "Ada"}, agent.WithActivityID("once"),
		func(o *client.StartActivityOptions) { o.StartDelay = time.Second })
	require.NoError(t, err)
	require.Equal(t, []string{"once", "r"}, []string{run.ID(), run.RunID()})
	out, err := run.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Hello Ada", out.Text)
	require.Equal(t, client.StartActivityOptions{
		ID: "once", TaskQueue: "greeter-tasks", StartToCloseTimeout: time.Hour, HeartbeatTimeout: time.Minute,
		RetryPolicy: retry.CPU(), Summary: "slow", StartDelay: time.Second,
	}, c.activity)
	require.Equal(t, "slow", c.started[0])
	require.JSONEq(t, `{"first":"Ada"}`, data(t, c.started[1]))

	out, err = slow.Get(c, "once", "").Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Hello Ada", out.Text)

	run, err = greet.Start(t.Context(), c, name{First: "Ada"})
	require.NoError(t, err)
	require.Regexp(t, "^greet-[A-Z2-7]{26}$", run.ID())
	_, err = greet.Start(t.Context(), &starting{sent: sent{err: errors.New("no server")}}, name{First: "Ada"})
	require.EqualError(t, err, "start activity greet: no server")
	_, err = greet.Start(t.Context(), nil, name{})
	requireInvalid(t, err, "input of the activity greet: first is empty")
}

func requireInvalid(t *testing.T, err error, want string) {
	t.Helper()
	require.EqualError(t, err, want)
	class, _ := retry.ClassOf(err)
	require.Equal(t, retry.InvalidData, class)
}

func TestSignalWithStart(t *testing.T) {
	c := &starting{}
	start := hello.WithStart("w", name{First: "Ada"}, agent.OnTaskQueue("blue"))
	require.NoError(t, rename.SendWithStart(t.Context(), c, start, name{First: "Grace"}))
	require.Equal(t, client.StartWorkflowOptions{ID: "w", TaskQueue: "blue"}, c.workflow)
	require.Equal(t, "HelloWorkflow", c.started[0])
	require.JSONEq(t, `{"first":"Ada"}`, data(t, c.started[1]))
	require.Equal(t, []any{"w", "rename"}, c.with[:2])
	require.JSONEq(t, `{"first":"Grace"}`, data(t, c.with[2]))

	err := rename.SendWithStart(t.Context(), &starting{sent: sent{err: errors.New("no server")}}, start, name{First: "Grace"})
	require.EqualError(t, err, "signal rename with a start of workflow HelloWorkflow: no server")
	requireInvalid(t, rename.SendWithStart(t.Context(), nil, start, name{}), "value of the signal rename: first is empty")
	requireInvalid(t, rename.SendWithStart(t.Context(), nil, hello.WithStart("w", name{}), name{First: "Grace"}),
		"input of the workflow HelloWorkflow: first is empty")
}

func TestUpdateWithStart(t *testing.T) {
	c := &starting{sent: sent{answer: greeting{"Hello Grace"}}}
	start := hello.WithStart("w", name{First: "Ada"})
	out, err := add.ExecuteWithStart(t.Context(), c, start, name{First: "Grace"}, agent.WithUpdateID("once"))
	require.NoError(t, err)
	require.Equal(t, "Hello Grace", out.Text)
	require.Equal(t, client.StartWorkflowOptions{
		ID: "w", TaskQueue: "greeter-tasks", WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, c.workflow)
	require.JSONEq(t, `{"first":"Ada"}`, data(t, c.started[1]))
	require.Equal(t, []any{"w", "add", "once"}, c.with[:3])
	require.JSONEq(t, `{"first":"Grace"}`, data(t, c.with[3]))

	only := hello.WithStart("w", name{First: "Ada"}, func(o *client.StartWorkflowOptions) {
		o.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	})
	_, err = add.ExecuteWithStart(t.Context(), c, only, name{First: "Grace"})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, c.workflow.WorkflowIDConflictPolicy)

	_, err = add.ExecuteWithStart(t.Context(), &starting{sent: sent{err: errors.New("no server")}}, start, name{First: "Grace"})
	require.EqualError(t, err, "update add with a start of workflow HelloWorkflow: no server")
	_, err = add.ExecuteWithStart(t.Context(), nil, start, name{})
	requireInvalid(t, err, "input of the update add: first is empty")
	_, err = add.ExecuteWithStart(t.Context(), nil, hello.WithStart("w", name{}), name{First: "Grace"})
	requireInvalid(t, err, "input of the workflow HelloWorkflow: first is empty")
}

func TestScheduleAction(t *testing.T) {
	action, err := hello.ScheduleAction(name{First: "Ada"}, agent.WithID("nightly"), agent.StaticSummary("at night"),
		func(o *client.StartWorkflowOptions) { o.Memo = map[string]any{"k": "v"} })
	require.NoError(t, err)
	require.JSONEq(t, `{"first":"Ada"}`, data(t, action.Args[0]))
	action.Args = nil
	require.Equal(t, &client.ScheduleWorkflowAction{
		ID: "nightly", Workflow: "HelloWorkflow", TaskQueue: "greeter-tasks", StaticSummary: "at night", Memo: map[string]any{"k": "v"},
	}, action)
	_, err = hello.ScheduleAction(name{})
	requireInvalid(t, err, "input of the workflow HelloWorkflow: first is empty")
}

func TestLocalActivity(t *testing.T) {
	cases := []struct {
		name  string
		input name
		greet func(context.Context, name) (greeting, error)
		err   string
	}{
		{"succeeds", name{First: "Ada"}, nil, ""},
		{"is refused", name{}, nil, "input of the activity greet: first is empty"},
		{"fails for good", name{First: "Ada"}, func(context.Context, name) (greeting, error) {
			return greeting{}, retry.InvalidData.Errorf("no such person")
		}, "no such person"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := newGreeter()
			attempts := 0
			act := g.greet
			if c.greet != nil {
				act = c.greet
			}
			g.greet = func(ctx context.Context, n name) (greeting, error) {
				attempts++
				return act(ctx, n)
			}
			g.hello = func(ctx workflow.Context, _ name) (greeting, error) {
				return greet.ExecuteLocal(ctx, c.input, func(o *workflow.LocalActivityOptions) { o.ScheduleToCloseTimeout = time.Minute })
			}
			env := environment(t, g)
			env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
			if c.err == "" {
				require.NoError(t, env.GetWorkflowError())
				var out greeting
				require.NoError(t, env.GetWorkflowResult(&out))
				require.Equal(t, "Hello Ada", out.Text)
				return
			}
			require.ErrorContains(t, env.GetWorkflowError(), c.err)
			class, _ := retry.ClassOf(env.GetWorkflowError())
			require.Equal(t, retry.InvalidData, class)
			require.LessOrEqual(t, attempts, 1)
		})
	}
}

func TestChildHasStarted(t *testing.T) {
	child := agent.NewWorkflow[name, greeting](domain, "ChildWorkflow")
	parent := func(in name) func(workflow.Context, name) (greeting, error) {
		return func(ctx workflow.Context, _ name) (greeting, error) {
			future := child.ExecuteAsync(ctx, in, func(o *workflow.ChildWorkflowOptions) { o.WorkflowID = "child" })
			started, err := future.Started(ctx)
			if err != nil {
				return greeting{}, err
			}
			out, err := future.Get(ctx)
			return greeting{started.ID + ": " + out.Text}, err
		}
	}
	both := &lists{Base: domain.Base(), workflows: agent.Bind(
		hello.To(parent(name{First: "Ada"})),
		child.To(func(_ workflow.Context, n name) (greeting, error) { return greeting{"Hello " + n.First}, nil }),
	)}
	env := environment(t, both)
	env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
	require.NoError(t, env.GetWorkflowError())
	var out greeting
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, "child: Hello Ada", out.Text)

	both.workflows[0] = hello.To(parent(name{}))
	env = environment(t, both)
	env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
	var app *temporal.ApplicationError
	require.ErrorAs(t, env.GetWorkflowError(), &app)
	require.Equal(t, "input of the workflow ChildWorkflow: first is empty", app.Message())
}
