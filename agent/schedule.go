package agent

import (
	"go.temporal.io/sdk/client"
)

// ScheduleAction returns what a schedule of Temporal's does to start the
// workflow again and again:
//
//	action, err := api.Report.ScheduleAction(api.ReportRequest{}, agent.WithID("nightly-report"))
//	handle, err := temporalClient.ScheduleClient().Create(ctx, client.ScheduleOptions{
//		ID:     "nightly-report",
//		Spec:   client.ScheduleSpec{CronExpressions: []string{"0 3 * * *"}},
//		Action: action,
//	})
//
// An input that is refused is the error: now, and not of every start. Of the
// options those apply that an action has; the id of each workflow is that of the
// options and the time of the start.
func (w Workflow[In, Out]) ScheduleAction(in In, options ...StartOption) (*client.ScheduleWorkflowAction, error) {
	raw, err := encode(w.what("input"), in)
	if err != nil {
		return nil, err
	}
	o := w.startOptions(options)
	return &client.ScheduleWorkflowAction{
		ID:                       o.ID,
		Workflow:                 w.name,
		Args:                     []any{raw},
		TaskQueue:                o.TaskQueue,
		WorkflowExecutionTimeout: o.WorkflowExecutionTimeout,
		WorkflowRunTimeout:       o.WorkflowRunTimeout,
		WorkflowTaskTimeout:      o.WorkflowTaskTimeout,
		RetryPolicy:              o.RetryPolicy,
		Memo:                     o.Memo,
		TypedSearchAttributes:    o.TypedSearchAttributes,
		VersioningOverride:       o.VersioningOverride,
		StaticSummary:            o.StaticSummary,
		StaticDetails:            o.StaticDetails,
		Priority:                 o.Priority,
	}, nil
}
