package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

var (
	rename = agent.NewSignal[name]("rename", "whom to greet")
	nudge  = agent.NewSignal[struct{}]("nudge", "go on")
	add    = agent.NewUpdate[name, greeting]("add", "greet one more")
)

// sent is a client that notes what is sent through it.
type sent struct {
	client.Client
	signal, id, runID string
	arg               any
	update            client.UpdateWorkflowOptions
	answer            greeting
	err               error
}

func (s *sent) SignalWorkflow(_ context.Context, id, runID, signal string, arg any) error {
	s.signal, s.id, s.runID, s.arg = signal, id, runID, arg
	return s.err
}

func (s *sent) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	s.update = o
	return s, s.err
}

func (s *sent) WorkflowID() string { return s.id }
func (s *sent) RunID() string      { return s.runID }
func (s *sent) UpdateID() string   { return s.update.UpdateID }
func (s *sent) Get(_ context.Context, out any) error {
	*out.(*greeting) = s.answer
	return nil
}

func data(t *testing.T, v any) string {
	t.Helper()
	raw, ok := v.(converter.RawValue)
	require.True(t, ok, "%T", v)
	return string(raw.Payload().GetData())
}

func TestSendSignal(t *testing.T) {
	c := &sent{}
	require.NoError(t, rename.Send(t.Context(), c, "w", "r", name{First: "Ada"}))
	require.Equal(t, []string{"rename", "w", "r"}, []string{c.signal, c.id, c.runID})
	require.JSONEq(t, `{"first":"Ada"}`, data(t, c.arg))

	c = &sent{err: errors.New("no server")}
	require.EqualError(t, rename.Send(t.Context(), c, "w", "", name{First: "Ada"}), "no server")
	for want, v := range map[string]name{
		"value of the signal rename: first is empty": {},
		"value of the signal rename has 262":         {First: "Ada", Pad: strings.Repeat("x", agent.MaxPayloadBytes)},
	} {
		c = &sent{}
		err := rename.Send(t.Context(), c, "w", "", v)
		require.ErrorContains(t, err, want)
		class, _ := retry.ClassOf(err)
		require.Equal(t, retry.InvalidData, class)
		require.Empty(t, c.signal, "it was sent")
	}
}

// A malformed message is an error of its receipt; the workflow and the messages
// after it go on.
func TestReceiveSignal(t *testing.T) {
	cases := []struct{ name, payload, want string }{
		{"valid", `{"first":"Grace"}`, ""},
		{"unknown field", `{"first":"Grace","lats":"x"}`, ""},
		{"not JSON", `{"first":`, "value of the signal rename is not a valid agent_test.name: the JSON ends too early"},
		{"wrong type", `{"first":7}`, "cannot unmarshal number"},
		{"null", `null`, "value of the signal rename is missing"},
		{"fails its own check", `{"first":""}`, "first is empty"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := newGreeter()
			g.hello = func(ctx workflow.Context, _ name) (greeting, error) {
				if _, err := nudge.Receive(ctx); err != nil {
					return greeting{}, err
				}
				n, err := rename.Receive(ctx)
				if err != nil {
					class, _ := retry.ClassOf(err)
					return greeting{string(class) + " " + err.Error()}, nil
				}
				return greeting{n.First}, nil
			}
			env := environment(t, g)
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(rename.Name(), jsonPayload(c.payload)) }, time.Second)
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(nudge.Name(), nil) }, 2*time.Second)
			env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
			require.NoError(t, env.GetWorkflowError())
			var out greeting
			require.NoError(t, env.GetWorkflowResult(&out))
			if c.want == "" {
				require.Equal(t, "Grace", out.Text)
				return
			}
			require.Contains(t, out.Text, "InvalidDataError value of the signal rename")
			require.Contains(t, out.Text, c.want)
		})
	}
}

func TestReceiveSignalWithTimeout(t *testing.T) {
	g := newGreeter()
	g.hello = func(ctx workflow.Context, _ name) (greeting, error) {
		channel := rename.Channel(ctx)
		var got []string
		for range 3 {
			n, ok, err := channel.ReceiveWithTimeout(ctx, time.Minute)
			switch {
			case err != nil:
				got = append(got, "error")
			case ok:
				got = append(got, n.First)
			default:
				got = append(got, "none")
			}
		}
		return greeting{strings.Join(got, ",")}, nil
	}
	env := environment(t, g)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(rename.Name(), name{First: "Ada"}) }, time.Second)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(rename.Name(), name{}) }, 2*time.Minute)
	env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
	require.NoError(t, env.GetWorkflowError())
	var out greeting
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, "Ada,none,error", out.Text)
}

func TestSignalInSelector(t *testing.T) {
	g := newGreeter()
	g.hello = func(ctx workflow.Context, _ name) (out greeting, err error) {
		channel := rename.Channel(ctx)
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(channel.ReceiveChannel, func(workflow.ReceiveChannel, bool) {
			n, ok, receiveErr := channel.ReceiveAsync()
			out.Text, err = n.First, receiveErr
			if !ok {
				err = errors.New("nothing there")
			}
		})
		selector.Select(ctx)
		return out, err
	}
	env := environment(t, g)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(rename.Name(), name{First: "Grace"}) }, time.Second)
	env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
	require.NoError(t, env.GetWorkflowError())
	var out greeting
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, "Grace", out.Text)
}

func TestReceiveSignalIsCancelled(t *testing.T) {
	g := newGreeter()
	g.hello = func(ctx workflow.Context, _ name) (greeting, error) {
		_, err := rename.Receive(ctx)
		return greeting{}, err
	}
	env := environment(t, g)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Second)
	env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
	require.True(t, temporal.IsCanceledError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
}

func TestSignalFromWorkflow(t *testing.T) {
	g := newGreeter()
	g.hello = func(ctx workflow.Context, n name) (greeting, error) {
		return greeting{}, rename.SendFrom(ctx, "other", "", name{First: n.Pad}).Get(ctx, nil)
	}
	env := environment(t, g)
	var got any
	env.OnSignalExternalWorkflow("default-test-namespace", "other", "", rename.Name(), jsonPayload(`{"first":"Grace"}`)).
		Return(func(_, _, _, _ string, arg any) error { got = arg; return nil })
	env.ExecuteWorkflow(hello.Name(), name{First: "Ada", Pad: "Grace"})
	require.NoError(t, env.GetWorkflowError())
	require.JSONEq(t, `{"first":"Grace"}`, data(t, got))

	env = environment(t, g)
	env.ExecuteWorkflow(hello.Name(), name{First: "Ada"})
	require.ErrorContains(t, env.GetWorkflowError(), "value of the signal rename: first is empty")
}

func TestExecuteUpdate(t *testing.T) {
	c := &sent{answer: greeting{"Hello Ada"}}
	out, err := add.Execute(t.Context(), c, "w", "r", name{First: "Ada"}, agent.WithUpdateID("once"))
	require.NoError(t, err)
	require.Equal(t, "Hello Ada", out.Text)
	require.Equal(t, "once", c.update.UpdateID)
	require.Equal(t, []string{"add", "w", "r"}, []string{c.update.UpdateName, c.update.WorkflowID, c.update.RunID})
	require.Equal(t, client.WorkflowUpdateStageCompleted, c.update.WaitForStage)
	require.JSONEq(t, `{"first":"Ada"}`, data(t, c.update.Args[0]))

	_, err = add.Execute(t.Context(), nil, "w", "", name{})
	require.EqualError(t, err, "input of the update add: first is empty")
	_, err = add.Execute(t.Context(), &sent{err: errors.New("no server")}, "w", "", name{First: "Ada"})
	require.EqualError(t, err, "no server")
}

// outcome is what became of an update.
type outcome struct {
	accepted bool
	rejected error
	result   greeting
	err      error
}

// update runs a workflow that greets by updates, and sends it one.
func update(t *testing.T, payload any, handle func(workflow.Context, name) (greeting, error), validate func(workflow.Context, name) error) (o *outcome, env *testsuite.TestWorkflowEnvironment) {
	t.Helper()
	o = &outcome{}
	g := newGreeter()
	g.hello = func(ctx workflow.Context, _ name) (greeting, error) {
		if err := add.Handle(ctx, handle, validate); err != nil {
			return greeting{}, err
		}
		_, err := nudge.Receive(ctx)
		return greeting{}, err
	}
	env = environment(t, g)
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(add.Name(), "1", &testsuite.TestUpdateCallback{
			OnAccept: func() { o.accepted = true },
			OnReject: func(err error) { o.rejected = err },
			OnComplete: func(v any, err error) {
				if o.err = err; err == nil {
					o.result = v.(greeting)
				}
			},
		}, payload)
	}, time.Second)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(nudge.Name(), nil) }, time.Hour)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{TaskQueue: "greeter-blue"})
	return o, env
}

func TestHandleUpdate(t *testing.T) {
	echo := func(_ workflow.Context, n name) (greeting, error) { return greeting{"Hello " + n.First}, nil }
	onlyAda := func(_ workflow.Context, n name) error {
		if n.First != "Ada" {
			return retry.InvalidData.Errorf("only Ada")
		}
		return nil
	}
	cases := []struct {
		name, payload, rejected, failed string
		handle                          func(workflow.Context, name) (greeting, error)
	}{
		{"valid", `{"first":"Ada"}`, "", "", echo},
		{"not JSON", `{"first":`, "input of the update add is not a valid agent_test.name: the JSON ends too early", "", echo},
		{"unknown field", `{"first":"Ada","lats":"x"}`, `unknown field "lats"`, "", echo},
		{"null", `null`, "input of the update add is missing", "", echo},
		{"fails its own check", `{"first":""}`, "first is empty", "", echo},
		{"fails the handler's check", `{"first":"Bob"}`, "only Ada", "", echo},
		{"fails", `{"first":"Ada"}`, "", "no bed", func(workflow.Context, name) (greeting, error) {
			return greeting{}, retry.InvalidData.Errorf("no bed")
		}},
		{"oversized result", `{"first":"Ada"}`, "", "result of the update add has", func(workflow.Context, name) (greeting, error) {
			return greeting{strings.Repeat("x", agent.MaxPayloadBytes)}, nil
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o, env := update(t, jsonPayload(c.payload), c.handle, onlyAda)
			env.ExecuteWorkflow(hello.Name(), name{First: "x"})
			require.NoError(t, env.GetWorkflowError())
			invalid := func(err error, want string) {
				require.ErrorContains(t, err, want)
				var app *temporal.ApplicationError
				require.ErrorAs(t, err, &app)
				require.Equal(t, "InvalidDataError", app.Type())
			}
			switch {
			case c.rejected != "":
				require.False(t, o.accepted)
				invalid(o.rejected, c.rejected)
			case c.failed != "":
				require.True(t, o.accepted)
				invalid(o.err, c.failed)
			default:
				require.NoError(t, o.err)
				require.Equal(t, "Hello Ada", o.result.Text)
			}
		})
	}
}

// The activities of an update run where those of the workflow do.
func TestUpdateCallsActivity(t *testing.T) {
	o, env := update(t, jsonPayload(`{"first":"Ada"}`), func(ctx workflow.Context, n name) (greeting, error) { return greet.Execute(ctx, n) }, nil)
	var queue string
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) { queue = info.TaskQueue })
	env.ExecuteWorkflow(hello.Name(), name{First: "x"})
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, o.err)
	require.Equal(t, "greeter-blue", queue)
}
