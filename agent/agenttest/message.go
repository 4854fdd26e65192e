package agenttest

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"github.com/seed-ab6af24b/troupe/agent"
)

// Send sends a signal to the environment's workflow. It is called while the
// workflow runs, from RegisterDelayedCallback or a mock, say.
func Send[T any](env *Environment, s agent.Signal[T], v T) error {
	return s.Send(context.Background(), &messenger{env: env}, "", "", v)
}

// Ask asks the environment's workflow a query, while it runs or after its end.
func Ask[Out any](env *Environment, q agent.Query[Out]) (Out, error) {
	return q.Ask(context.Background(), &messenger{env: env}, "", "")
}

// Update sends an update to the environment's workflow. It is called while the
// workflow runs; done is called with the answer, or with the error that the
// client would get, as soon as the workflow has it.
func Update[In, Out any](env *Environment, u agent.Update[In, Out], in In, done func(Out, error)) {
	m := &messenger{env: env}
	var none Out
	if _, err := u.Execute(context.Background(), m, "", "", in); !errors.Is(err, errTaken) {
		done(none, err)
		return
	}
	env.UpdateWorkflow(u.Name(), m.update.UpdateID, &testsuite.TestUpdateCallback{
		OnAccept: func() {},
		OnReject: func(err error) { done(none, err) },
		OnComplete: func(v any, err error) {
			out, ok := v.(Out)
			if err == nil && !ok {
				err = fmt.Errorf("update %s answered with a %T, want a %T", u.Name(), v, none)
			}
			done(out, err)
		},
	}, m.update.Args...)
}

// errTaken ends an update's Execute, which would wait for an answer that can't
// come before the caller returns to the environment.
var errTaken = errors.New("taken")

// messenger is a client that talks to an environment's workflow.
type messenger struct {
	client.Client
	env    *Environment
	update client.UpdateWorkflowOptions
}

var errNotRunning = errors.New("the environment's workflow was not started: talk to it from a callback or a mock")

func (m *messenger) SignalWorkflow(_ context.Context, _, _, name string, v any) error {
	if !m.env.ran {
		return errNotRunning
	}
	m.env.SignalWorkflow(name, v)
	return nil
}

func (m *messenger) QueryWorkflow(_ context.Context, _, _, name string, args ...any) (converter.EncodedValue, error) {
	if !m.env.ran {
		return nil, errNotRunning
	}
	return m.env.QueryWorkflow(name, args...)
}

func (m *messenger) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	if !m.env.ran {
		return nil, errNotRunning
	}
	m.update = o
	return nil, errTaken
}
