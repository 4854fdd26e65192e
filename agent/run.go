package agent

import (
	"context"

	"go.temporal.io/sdk/client"
)

// Run is one execution of a workflow, seen from a client. It is safe for
// concurrent use.
type Run[Out any] struct {
	client    client.Client
	id, runID string
}

// ID returns the workflow's id.
func (r Run[Out]) ID() string { return r.id }

// RunID returns the id of the run, empty when it means the latest.
func (r Run[Out]) RunID() string { return r.runID }

// Get waits for the result. A failed workflow's error has the class of its
// cause (retry.ClassOf).
func (r Run[Out]) Get(ctx context.Context) (Out, error) {
	var out Out
	err := r.client.GetWorkflow(ctx, r.id, r.runID).Get(ctx, &out)
	return out, err
}

// Describe returns status, times, type and memo of the run.
func (r Run[Out]) Describe(ctx context.Context) (*client.WorkflowExecutionDescription, error) {
	return r.client.DescribeWorkflow(ctx, r.id, r.runID)
}

// Cancel asks the workflow to end; it may clean up first.
func (r Run[Out]) Cancel(ctx context.Context) error {
	return r.client.CancelWorkflow(ctx, r.id, r.runID)
}

// Terminate ends the workflow at once, without giving it a chance to clean up.
func (r Run[Out]) Terminate(ctx context.Context, reason string) error {
	return r.client.TerminateWorkflow(ctx, r.id, r.runID, reason)
}
