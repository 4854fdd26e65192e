package agent

import (
	"go.temporal.io/sdk/workflow"
)

// ChildOption changes the SDK's options of a child workflow. Any function of
// this shape will do.
type ChildOption func(*workflow.ChildWorkflowOptions)

// ChildFuture is the result to come of a child workflow.
type ChildFuture[Out any] struct {
	Future[Out]
}

// Execute runs the workflow as a child of another one and waits for its result.
func (w Workflow[In, Out]) Execute(ctx workflow.Context, in In, options ...ChildOption) (Out, error) {
	return w.ExecuteAsync(ctx, in, options...).Get(ctx)
}

// ExecuteAsync starts the workflow as a child of another one and returns at
// once. It runs on its own domain's queue, or on its parent's where both belong
// to one domain. A child that is to outlive its parent (ParentClosePolicy) must
// have started before that ends: see [ChildFuture.Started].
func (w Workflow[In, Out]) ExecuteAsync(ctx workflow.Context, in In, options ...ChildOption) ChildFuture[Out] {
	raw, err := encode(w.what("input"), in)
	if err != nil {
		return ChildFuture[Out]{failedFuture[Out](ctx, err)}
	}
	var o workflow.ChildWorkflowOptions
	if !runsIn(ctx, w.domain) {
		o.TaskQueue = w.domain.TaskQueue
	}
	for _, set := range options {
		set(&o)
	}
	ctx = workflow.WithChildOptions(ctx, o)
	return ChildFuture[Out]{Future[Out]{workflow.ExecuteChildWorkflow(ctx, w.name, raw)}}
}

// Started waits until the server has started the child, and returns its ids,
// for signals to it, say. The error is the start's.
func (f ChildFuture[Out]) Started(ctx workflow.Context) (child workflow.Execution, err error) {
	if started, ok := f.Future.Future.(workflow.ChildWorkflowFuture); ok {
		err = started.GetChildWorkflowExecution().Get(ctx, &child)
		return child, err
	}
	// It was refused before anything was scheduled.
	return child, f.Future.Future.Get(ctx, nil)
}
