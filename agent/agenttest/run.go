package agenttest

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/agent"
)

// Run runs a workflow in the environment, to its end, and returns its result.
// The input goes the way of a real start: it is refused where Start would
// refuse it. The error is the one that a client gets, so that retry.ClassOf and
// retry.Message tell its class and text.
//
// A workflow that waits for nothing that could come ends after the
// environment's test timeout ([testsuite.TestWorkflowEnvironment.SetTestTimeout]).
func Run[In, Out any](env *Environment, w agent.Workflow[In, Out], in In, options ...agent.StartOption) (Out, error) {
	var out Out
	if env.ran {
		return out, errRanAlready
	}
	starter := &starter{env: env}
	run, err := w.Start(context.Background(), starter, in, options...)
	if err != nil {
		return out, err
	}
	return run.Get(context.Background())
}

// RunActivity runs one attempt of an activity alone, with the environment's
// agents and mocks, and returns its result.
func RunActivity[In, Out any](env *Environment, a agent.Activity[In, Out], in In) (out Out, err error) {
	if env.activities[a.Name()] == nil {
		return out, fmt.Errorf("activity %q: no agent of the environment has it", a.Name())
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("activity %s in the test environment: %v", a.Name(), r)
		}
	}()
	value, err := env.newActivityEnvironment().ExecuteActivity(a.Name(), in)
	if err != nil {
		return out, err
	}
	err = value.Get(&out)
	return out, err
}

// starter is a client that starts workflows in an environment.
type starter struct {
	client.Client
	env *Environment
}

func (s *starter) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	s.env.SetStartWorkflowOptions(o)
	if err := s.env.execute(workflow.(string), args); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *starter) GetWorkflow(context.Context, string, string) client.WorkflowRun { return s }

func (s *starter) GetID() string                  { return "" }
func (s *starter) GetRunID() string               { return "" }
func (s *starter) GetFirstExecutionRunID() string { return "" }

func (s *starter) Get(_ context.Context, out any) error {
	if err := s.env.GetWorkflowError(); err != nil {
		return err
	}
	return s.env.GetWorkflowResult(out)
}

func (s *starter) GetWithOptions(ctx context.Context, out any, _ client.WorkflowRunGetOptions) error {
	return s.Get(ctx, out)
}
