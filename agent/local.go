package agent

import "go.temporal.io/sdk/workflow"

// LocalActivityOption changes the SDK's options of a local activity. Any
// function of this shape will do.
type LocalActivityOption func(*workflow.LocalActivityOptions)

// ExecuteLocal runs the activity as a local one and waits for its result: in the
// workflow's own worker, without the queue, for what takes milliseconds. The
// activity must be the workflow's own agent's. It cannot record heartbeats, and
// the workflow task lasts as long as it does: work that takes longer belongs to
// [Activity.Execute].
//
// Of the definition's options the two timeouts, the retry policy and the summary
// apply.
func (a Activity[In, Out]) ExecuteLocal(ctx workflow.Context, in In, options ...LocalActivityOption) (Out, error) {
	return a.ExecuteLocalAsync(ctx, in, options...).Get(ctx)
}

// ExecuteLocalAsync begins what [Activity.ExecuteLocal] does and returns at
// once.
func (a Activity[In, Out]) ExecuteLocalAsync(ctx workflow.Context, in In, options ...LocalActivityOption) Future[Out] {
	raw, err := encode(a.what("input"), in)
	if err != nil {
		return failedFuture[Out](ctx, err)
	}
	usual := a.optionsOn("", nil)
	o := workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: usual.ScheduleToCloseTimeout,
		StartToCloseTimeout:    usual.StartToCloseTimeout,
		RetryPolicy:            usual.RetryPolicy,
		Summary:                usual.Summary,
	}
	for _, set := range options {
		set(&o)
	}
	ctx = workflow.WithLocalActivityOptions(ctx, o)
	return Future[Out]{workflow.ExecuteLocalActivity(ctx, a.name, raw)}
}
