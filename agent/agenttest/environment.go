package agenttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// Environment runs a workflow of some agents without a server. It is for one
// workflow, started with [Run], and for any number of activities that
// [RunActivity] runs alone.
//
// Activities that still run when the workflow has ended are cancelled, and
// waited for.
//
// It is used from the test's goroutine and, while the workflow runs, from
// callbacks that the embedded environment calls.
type Environment struct {
	*testsuite.TestWorkflowEnvironment

	t     testing.TB
	suite testsuite.WorkflowTestSuite
	// options are those of the environment's one worker.
	options  worker.Options
	ran      bool
	inflight *inflight
	// end ends the context of the workflow's activities.
	end context.CancelCauseFunc

	mu         sync.Mutex
	activities map[string]*slot
	workflows  map[string]*slot
}

// slot is where an activity's or a workflow's function can be replaced.
type slot struct {
	mu       sync.Mutex
	function reflect.Value
}

func (s *slot) get() reflect.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.function
}

// NewEnvironment returns an environment in which the workflows and activities
// of the agents are registered, as by one worker for all of them: with
// [retry.Interceptor], and with what the agents' ConfigureWorker says. The
// agents are not started: [Start] does that. A test that only mocks needs no
// agents at all.
//
// An agent that is not valid, and a name that two agents have, end the test.
func NewEnvironment(t testing.TB, agents ...agent.Agent) *Environment {
	t.Helper()
	env := &Environment{t: t, inflight: newInflight(), activities: map[string]*slot{}, workflows: map[string]*slot{}}
	env.suite.SetLogger(newLogger(t))
	env.TestWorkflowEnvironment = env.suite.NewTestWorkflowEnvironment()
	for _, a := range agents {
		if err := agent.Validate(a); err != nil {
			t.Fatal(err)
		}
		if c, ok := a.(agent.WorkerConfigurer); ok {
			c.ConfigureWorker(&env.options)
		}
	}
	env.options.Interceptors = append([]interceptor.WorkerInterceptor{env.inflight, retry.Interceptor()}, env.options.Interceptors...)
	options := env.options
	// The SDK's environment has no slots to count, and fails with these where a
	// workflow has children.
	options.MaxConcurrentActivityExecutionSize, options.MaxConcurrentLocalActivityExecutionSize = 0, 0
	options.MaxConcurrentWorkflowTaskExecutionSize, options.MaxConcurrentNexusTaskExecutionSize = 0, 0
	options.BackgroundActivityContext, env.end = context.WithCancelCause(cmp.Or(options.BackgroundActivityContext, context.Background()))
	t.Cleanup(func() { env.end(errEnded) })
	env.SetWorkerOptions(options)
	for _, a := range agents {
		for _, b := range a.Activities() {
			if env.activities[b.Name()] != nil {
				t.Fatalf("activity %q of the agent %q: another agent of the environment has one of this name", b.Name(), a.Name())
			}
			env.bindActivity(b)
		}
		for _, b := range a.Workflows() {
			if env.workflows[b.Name()] != nil {
				t.Fatalf("workflow %q of the agent %q: another agent of the environment has one of this name", b.Name(), a.Name())
			}
			env.bindWorkflow(b)
		}
	}
	return env
}

// Start starts the agent, if it is an [agent.Starter], stops it when the test
// has ended, if it is an [agent.Stopper], and returns it. An agent that does not
// start ends the test.
func Start[A agent.Agent](t testing.TB, a A) A {
	t.Helper()
	if s, ok := any(a).(agent.Stopper); ok {
		t.Cleanup(func() {
			// The test's own context has ended by now.
			if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
				t.Errorf("stop the agent %q: %v", a.Name(), err)
			}
		})
	}
	if s, ok := any(a).(agent.Starter); ok {
		if err := s.Start(t.Context()); err != nil {
			t.Fatalf("start the agent %q: %v", a.Name(), err)
		}
	}
	return a
}

// bindActivity implements Host.
func (e *Environment) bindActivity(b agent.Binding) {
	e.t.Helper()
	e.bind(e.activities, "activity", b, func(f any) {
		e.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: b.Name()})
	})
}

// bindWorkflow implements Host.
func (e *Environment) bindWorkflow(b agent.Binding) {
	e.t.Helper()
	e.bind(e.workflows, "workflow", b, func(f any) {
		e.RegisterWorkflowWithOptions(f, workflow.RegisterOptions{Name: b.Name()})
	})
}

// bind puts the binding's function into its slot. The SDK gets a function that
// calls what is in the slot, so that a mock goes the same way as the function
// it replaces: through interceptors, retries and the activity's context.
func (e *Environment) bind(slots map[string]*slot, kind string, b agent.Binding, register func(any)) {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	function := reflect.ValueOf(functionOf(b))
	s, ok := slots[b.Name()]
	if !ok {
		s = &slot{function: function}
		slots[b.Name()] = s
		register(reflect.MakeFunc(function.Type(), func(args []reflect.Value) []reflect.Value {
			return s.get().Call(args)
		}).Interface())
		return
	}
	if was := s.get().Type(); was != function.Type() {
		e.t.Fatalf("%s %q: a function of the type %v cannot take the place of one of the type %v", kind, b.Name(), function.Type(), was)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.function = function
}

var errRanAlready = errors.New("an Environment runs one workflow: make another for this one")

// execute runs a workflow to its end. The SDK's environment panics where a
// workflow can't go on.
func (e *Environment) execute(name string, args []any) (err error) {
	if e.ran {
		return errRanAlready
	}
	e.ran = true
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("workflow %s in the test environment: %v", name, r)
		}
		e.end(errEnded)
		err = errors.Join(err, e.inflight.wait())
	}()
	e.ExecuteWorkflow(name, args...)
	return nil
}

// newActivityEnvironment returns an environment for one activity.
func (e *Environment) newActivityEnvironment() *testsuite.TestActivityEnvironment {
	env := e.suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(e.options)
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, s := range e.activities {
		env.RegisterActivityWithOptions(s.get().Interface(), activity.RegisterOptions{Name: name})
	}
	return env
}
