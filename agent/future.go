package agent

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/retry"
)

// Future is a result to come, inside a workflow.
type Future[Out any] struct {
	// Future is the SDK's own, for selectors.
	workflow.Future
}

// Get waits for the result.
func (f Future[Out]) Get(ctx workflow.Context) (Out, error) {
	var out Out
	err := f.Future.Get(ctx, &out)
	return out, err
}

func failedFuture[Out any](ctx workflow.Context, err error) Future[Out] {
	future, settable := workflow.NewFuture(ctx)
	settable.SetError(retry.Classify(err))
	return Future[Out]{future}
}

// workflowError classes an error that leaves a workflow, where no interceptor
// does it. Errors of activities and cancellations are the SDK's own already.
func workflowError(err error) error {
	if err == nil || temporal.IsCanceledError(err) || workflow.IsContinueAsNewError(err) {
		return err
	}
	return retry.Classify(err)
}
