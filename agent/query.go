package agent

import (
	"context"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"
)

// Query defines a question that a workflow answers at any time, also after its
// end, without changing anything.
type Query[Out any] struct {
	name, description string
}

// NewQuery defines a query. description is shown in the web UI.
func NewQuery[Out any](name, description string) Query[Out] {
	return Query[Out]{name: name, description: description}
}

// Name returns the query's type name.
func (q Query[Out]) Name() string { return q.name }

// Handle answers the query in the calling workflow with f, which must neither
// block nor change the workflow's state.
func (q Query[Out]) Handle(ctx workflow.Context, f func() (Out, error)) error {
	return workflow.SetQueryHandlerWithOptions(ctx, q.name, f, workflow.QueryHandlerOptions{Description: q.description})
}

// Ask asks a workflow. An empty runID means the latest run.
func (q Query[Out]) Ask(ctx context.Context, c client.Client, id, runID string) (Out, error) {
	var out Out
	answer, err := c.QueryWorkflow(ctx, id, runID, q.name)
	if err != nil {
		return out, err
	}
	err = answer.Get(&out)
	return out, err
}
