package agent

import (
	"context"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/retry"
)

// Update defines a request to a running workflow that may change its state, and
// that it answers. It is a value without state: make it once with [NewUpdate],
// share it freely.
//
// A malformed input is refused before the workflow's history knows of it, with
// an error of the class InvalidData; so are fields that In does not have.
type Update[In, Out any] struct {
	name, description string
}

// NewUpdate defines an update. description is shown in the web UI.
func NewUpdate[In, Out any](name, description string) Update[In, Out] {
	return Update[In, Out]{name: name, description: description}
}

// Name returns the update's type name.
func (u Update[In, Out]) Name() string { return u.name }

// Handle answers the update in the calling workflow with f, which may block: it
// runs in a coroutine of its own, beside the workflow's function and other
// updates. A workflow that is about to end waits for those that run with
// workflow.Await and workflow.AllHandlersFinished.
//
// validate may be nil. It decides whether the update is let in at all, after
// the input's own Validate; it must neither block nor change the workflow's
// state. It is not called when a history is replayed, so it may change freely.
func (u Update[In, Out]) Handle(ctx workflow.Context, f func(workflow.Context, In) (Out, error), validate func(workflow.Context, In) error) error {
	// An update's context does not come from that of the workflow's function,
	// which says whose activities share the workflow's queue.
	domain := ctx.Value(domainKey{})
	handle := func(ctx workflow.Context, in In) (Out, error) {
		return f(workflow.WithValue(ctx, domainKey{}, domain), in)
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, u.name, u.handler(handle), workflow.UpdateHandlerOptions{
		Validator:   u.validator(validate),
		Description: u.description,
	})
}

func (u Update[In, Out]) handler(f func(workflow.Context, In) (Out, error)) func(workflow.Context, converter.RawValue) (Out, error) {
	return func(ctx workflow.Context, raw converter.RawValue) (Out, error) {
		var none Out
		in, err := decode[In](u.what("input"), raw, false)
		if err != nil {
			return none, workflowError(err)
		}
		out, err := f(ctx, in)
		if err != nil {
			return none, workflowError(err)
		}
		if err := checkResult(u.what("result"), out); err != nil {
			return none, workflowError(err)
		}
		return out, nil
	}
}

func (u Update[In, Out]) validator(f func(workflow.Context, In) error) func(workflow.Context, converter.RawValue) error {
	return func(ctx workflow.Context, raw converter.RawValue) error {
		in, err := decode[In](u.what("input"), raw, true)
		if err == nil && f != nil {
			err = f(ctx, in)
		}
		return retry.Classify(err)
	}
}

// UpdateOption changes the SDK's options of an update.
type UpdateOption func(*client.UpdateWorkflowOptions)

// WithUpdateID sets the update's id. A second update of one id to a workflow
// gets the answer of the first: who may have to ask again sets it.
func WithUpdateID(id string) UpdateOption {
	return func(o *client.UpdateWorkflowOptions) { o.UpdateID = id }
}

// Execute asks a workflow and waits for its answer. An empty runID means the
// latest run. An input that is refused (see the package comment) is an error
// before anything is sent.
func (u Update[In, Out]) Execute(ctx context.Context, c client.Client, id, runID string, in In, options ...UpdateOption) (Out, error) {
	var out Out
	o, err := u.callOptions(id, runID, in, options)
	if err != nil {
		return out, err
	}
	answer, err := c.UpdateWorkflow(ctx, o)
	if err != nil {
		return out, err
	}
	err = answer.Get(ctx, &out)
	return out, err
}

func (u Update[In, Out]) callOptions(id, runID string, in In, options []UpdateOption) (client.UpdateWorkflowOptions, error) {
	raw, err := encode(u.what("input"), in)
	o := client.UpdateWorkflowOptions{
		WorkflowID:   id,
		RunID:        runID,
		UpdateName:   u.name,
		Args:         []any{raw},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	}
	for _, set := range options {
		set(&o)
	}
	return o, err
}

func (u Update[In, Out]) what(part string) string {
	return part + " of the update " + u.name
}
