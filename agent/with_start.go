package agent

import (
	"cmp"
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

// WithStart is a workflow to be started unless it runs already, by who has a
// message for it: whoever comes first makes the workflow, and nobody's message
// is lost. Make one with [Workflow.WithStart].
type WithStart struct {
	name    string
	options client.StartWorkflowOptions
	in      converter.RawValue
	err     error // of the input
}

// WithStart says how to start the workflow for [Signal.SendWithStart] and
// [Update.ExecuteWithStart]. An input that is refused is their error.
func (w Workflow[In, Out]) WithStart(id string, in In, options ...StartOption) WithStart {
	s := WithStart{name: w.name, options: w.startOptions(options)}
	s.options.ID = id
	s.in, s.err = encode(w.what("input"), in)
	return s
}

// SendWithStart sends v to the workflow, which is started before that unless it
// runs, and returns once the server has both.
func (s Signal[T]) SendWithStart(ctx context.Context, c client.Client, start WithStart, v T) error {
	raw, err := encode(s.what(), v)
	if start.err != nil || err != nil {
		return cmp.Or(start.err, err)
	}
	_, err = c.SignalWithStartWorkflow(ctx, start.options.ID, s.name, raw, start.options, start.name, start.in)
	if err != nil {
		return fmt.Errorf("signal %s with a start of workflow %s: %w", s.name, start.name, err)
	}
	return nil
}

// ExecuteWithStart asks the workflow, which is started before that unless it
// runs, and waits for its answer. A workflow of the id that runs is used, unless
// its options name another WorkflowIDConflictPolicy.
func (u Update[In, Out]) ExecuteWithStart(ctx context.Context, c client.Client, start WithStart, in In, options ...UpdateOption) (Out, error) {
	var out Out
	o, err := u.callOptions(start.options.ID, "", in, options)
	if start.err != nil || err != nil {
		return out, cmp.Or(start.err, err)
	}
	if start.options.WorkflowIDConflictPolicy == enumspb.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED {
		start.options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	}
	answer, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: c.NewWithStartWorkflowOperation(start.options, start.name, start.in),
		UpdateOptions:          o,
	})
	if err != nil {
		return out, fmt.Errorf("update %s with a start of workflow %s: %w", u.name, start.name, err)
	}
	err = answer.Get(ctx, &out)
	return out, err
}
