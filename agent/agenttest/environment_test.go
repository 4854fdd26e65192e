package agenttest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/agenttest"
	"github.com/seed-ab6af24b/troupe/retry"
)

func TestRun(t *testing.T) {
	env := agenttest.NewEnvironment(t, agenttest.Start(t, newGreeter()))
	out, err := agenttest.Run(env, hello, name{First: "Ada"})
	require.NoError(t, err)
	require.Equal(t, greeting{"Hello Ada"}, out)

	_, err = agenttest.Run(env, hello, name{First: "Ada"})
	require.ErrorContains(t, err, "runs one workflow")
}

func TestRunRefusesAsStartDoes(t *testing.T) {
	env := agenttest.NewEnvironment(t, newGreeter())
	_, err := agenttest.Run(env, hello, name{})
	require.EqualError(t, err, "input of the workflow HelloWorkflow: first is empty")
}

func TestRunUsesTheDefinition(t *testing.T) {
	env := agenttest.NewEnvironment(t, newGreeter())
	var id, queue string
	agenttest.Mock(env, greet).Do(func(ctx context.Context, _ name) (greeting, error) {
		info := activity.GetInfo(ctx)
		id, queue = info.WorkflowExecution.ID, info.TaskQueue
		return greeting{}, nil
	})
	_, err := agenttest.Run(env, hello, name{First: "Ada"}, agent.WithID("hello-1"))
	require.NoError(t, err)
	require.Equal(t, "hello-1", id)
	require.Equal(t, "greeter-tasks", queue)
}

// A workflow's error has its class, and is final at the first attempt.
func TestRunFails(t *testing.T) {
	env := agenttest.NewEnvironment(t, agenttest.Start(t, newGreeter()))
	_, err := agenttest.Run(env, hello, name{First: "Nobody"})
	class, _ := retry.ClassOf(err)
	require.Equal(t, retry.ModelNotFound, class)
	require.Equal(t, "there is no Nobody", retry.Message(err))
}

func TestRunUnknownWorkflow(t *testing.T) {
	env := agenttest.NewEnvironment(t, newGreeter())
	_, err := agenttest.Run(env, dial, number{"1"})
	require.ErrorContains(t, err, "DialWorkflow")
}

func TestRunUnknownActivity(t *testing.T) {
	env := agenttest.NewEnvironment(t, newGreeter())
	_, err := agenttest.Run(env, callUp, name{First: "Ada"})
	require.ErrorContains(t, err, "look_up")
}

// A workflow that waits for ever ends with an error.
func TestRunWithoutEnd(t *testing.T) {
	env := agenttest.NewEnvironment(t)
	agenttest.MockWorkflow(env, hello, func(ctx workflow.Context, n name) (greeting, error) {
		return greeting{}, workflow.Await(ctx, func() bool { return false })
	})
	env.SetTestTimeout(10 * time.Millisecond)
	_, err := agenttest.Run(env, hello, name{First: "Ada"})
	require.ErrorContains(t, err, "deadline exceeded")
}

func TestRunActivity(t *testing.T) {
	env := agenttest.NewEnvironment(t, agenttest.Start(t, newGreeter()))
	for _, first := range []string{"Ada", "Grace"} {
		out, err := agenttest.RunActivity(env, greet, name{First: first})
		require.NoError(t, err)
		require.Equal(t, "Hello "+first, out.Text)
	}
	_, err := agenttest.RunActivity(env, greet, name{First: "Nobody"})
	class, _ := retry.ClassOf(err)
	require.Equal(t, retry.ModelNotFound, class)

	_, err = agenttest.RunActivity(env, greet, name{})
	require.ErrorContains(t, err, "input of the activity greet: first is empty")

	_, err = agenttest.RunActivity(env, lookup, name{First: "Ada"})
	require.EqualError(t, err, `activity "look_up": no agent of the environment has it`)

	agenttest.Mock(env, lookup).Return(number{"1"})
	no, err := agenttest.RunActivity(env, lookup, name{First: "Ada"})
	require.NoError(t, err)
	require.Equal(t, number{"1"}, no)
}

func TestStartAndStop(t *testing.T) {
	fake := agenttest.NewFake(domain)
	agenttest.Mock(fake, greet)
	t.Run("test", func(t *testing.T) {
		require.Same(t, fake, agenttest.Start(t, fake))
		require.Equal(t, 1, fake.Starts())
		require.Equal(t, 0, fake.Stops())
	})
	require.Equal(t, 1, fake.Stops())
}

func TestMocks(t *testing.T) {
	env := agenttest.NewEnvironment(t, newGreeter())
	look := agenttest.Mock(env, lookup).
		Fail(errors.New("line busy")).
		Panic("lost the book").
		Return(number{"1234"})
	var dialled number
	agenttest.MockWorkflow(env, dial, func(ctx workflow.Context, n number) (greeting, error) {
		dialled = n
		return greeting{"Hi"}, workflow.Sleep(ctx, time.Hour)
	})
	out, err := agenttest.Run(env, callUp, name{First: "Ada"})
	require.NoError(t, err)
	require.Equal(t, "Hi", out.Text)
	require.Equal(t, number{"1234"}, dialled)
	require.Equal(t, []name{{"Ada"}, {"Ada"}, {"Ada"}}, look.Calls())
}

// A mock takes the place of the agent's own activity, and its errors are
// classed like those.
func TestMockInTheAgentsStead(t *testing.T) {
	env := agenttest.NewEnvironment(t, newGreeter())
	mock := agenttest.Mock(env, greet).Fail(retry.InvalidData.Errorf("bad name"))
	_, err := agenttest.Run(env, hello, name{First: "Ada"})
	class, _ := retry.ClassOf(err)
	require.Equal(t, retry.InvalidData, class)
	require.Len(t, mock.Calls(), 1)
}

func TestMockWithoutSteps(t *testing.T) {
	env := agenttest.NewEnvironment(t, newGreeter())
	agenttest.Mock(env, greet)
	out, err := agenttest.Run(env, hello, name{First: "Ada"})
	require.NoError(t, err)
	require.Empty(t, out)
}

// A blocked activity hears of its cancellation.
func TestBlock(t *testing.T) {
	env := agenttest.NewEnvironment(t)
	blocked := agenttest.Mock(env, greet).Block()
	agenttest.MockWorkflow(env, hello, func(ctx workflow.Context, n name) (greeting, error) {
		return greet.Execute(ctx, n, agent.WaitForCancellation(), agent.Heartbeat(time.Minute))
	})
	go func() {
		if blocked.Await(t.Context(), 1) == nil {
			env.CancelWorkflow()
		}
	}()
	_, err := agenttest.Run(env, hello, name{First: "Ada"})
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Len(t, blocked.Calls(), 1)
}

func TestAwait(t *testing.T) {
	env := agenttest.NewEnvironment(t)
	mock := agenttest.Mock(env, greet)
	began := make(chan error)
	go func() { began <- mock.Await(t.Context(), 2) }()
	for range 2 {
		_, err := agenttest.RunActivity(env, greet, name{First: "Ada"})
		require.NoError(t, err)
	}
	require.NoError(t, <-began)
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("because")
	cancel(why)
	err := agenttest.Mock(agenttest.NewFake(domain), greet).Await(ctx, 2)
	require.EqualError(t, err, "0 of 2 attempts have begun: because")
	require.ErrorIs(t, err, why)
}

func TestMessages(t *testing.T) {
	env := agenttest.NewEnvironment(t, agenttest.Start(t, newGreeter()))
	var (
		between  []greeting
		rejected error
		bye      greeting
		errs     []error
	)
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	env.RegisterDelayedCallback(func() {
		agenttest.Update(env, finish, struct{}{}, func(_ greeting, err error) { rejected = err })
	}, time.Second)
	env.RegisterDelayedCallback(func() { note(agenttest.Send(env, greetMore, name{First: "Grace"})) }, 2*time.Second)
	env.RegisterDelayedCallback(func() {
		var err error
		between, err = agenttest.Ask(env, greetings)
		note(err)
	}, 3*time.Second)
	env.RegisterDelayedCallback(func() {
		agenttest.Update(env, finish, struct{}{}, func(g greeting, err error) { bye = g; note(err) })
	}, 4*time.Second)

	out, err := agenttest.Run(env, party, name{First: "Ada"})
	require.NoError(t, err)
	require.Empty(t, errs)
	require.ErrorContains(t, rejected, "only 1 are there")
	require.Equal(t, []greeting{{"Hello Ada"}, {"Hello Grace"}}, between)
	require.Equal(t, between, out)
	require.Equal(t, greeting{"Hello all"}, bye)
	after, err := agenttest.Ask(env, greetings)
	require.NoError(t, err)
	require.Equal(t, out, after)

	require.EqualError(t, agenttest.Send(env, greetMore, name{}), "value of the signal greet_more: first is empty")
}

func TestMessagesBeforeTheStart(t *testing.T) {
	env := agenttest.NewEnvironment(t, newGreeter())
	const want = "was not started"
	require.ErrorContains(t, agenttest.Send(env, greetMore, name{First: "Ada"}), want)
	_, err := agenttest.Ask(env, greetings)
	require.ErrorContains(t, err, want)
	agenttest.Update(env, finish, struct{}{}, func(_ greeting, updateErr error) { err = updateErr })
	require.ErrorContains(t, err, want)
}

// An update's input that the client refuses is its answer.
func TestUpdateRefused(t *testing.T) {
	env := agenttest.NewEnvironment(t)
	strict := agent.NewUpdate[name, greeting]("strict", "")
	var answer error
	agenttest.Update(env, strict, name{}, func(_ greeting, err error) { answer = err })
	require.EqualError(t, answer, "input of the update strict: first is empty")
}

func TestFake(t *testing.T) {
	fake := agenttest.NewFake(phonebook)
	require.ErrorContains(t, agent.Validate(fake), "neither workflows nor activities")
	agenttest.Mock(fake, lookup).Fail(errors.New("never called"))
	look := agenttest.Mock(fake, lookup).Return(number{"1"})
	agenttest.MockWorkflow(fake, dial, func(_ workflow.Context, n number) (greeting, error) { return greeting{"dialled " + n.Number}, nil })
	require.NoError(t, agent.Validate(fake))

	env := agenttest.NewEnvironment(t, newGreeter(), agenttest.Start(t, fake))
	out, err := agenttest.Run(env, callUp, name{First: "Ada"})
	require.NoError(t, err)
	require.Equal(t, "dialled 1", out.Text)
	require.Len(t, look.Calls(), 1)

	boom := errors.New("boom")
	fail := func(context.Context) error { return boom }
	fake.OnStart, fake.OnStop, fake.OnHealthCheck = fail, fail, fail
	require.ErrorIs(t, fake.Start(t.Context()), boom)
	require.ErrorIs(t, fake.Stop(t.Context()), boom)
	require.ErrorIs(t, fake.CheckHealth(t.Context()), boom)
	require.Equal(t, []int{2, 1, 1}, []int{fake.Starts(), fake.Stops(), fake.HealthChecks()})
	fake.OnStop = nil
}

// Requests to a mock are checked as by the agent.
func TestMockChecksRequests(t *testing.T) {
	env := agenttest.NewEnvironment(t)
	mock := agenttest.Mock(env, lookup)
	_, err := agenttest.RunActivity(env, lookup, name{})
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, "InvalidDataError", app.Type())
	require.Empty(t, mock.Calls())
}
