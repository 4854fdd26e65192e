package api_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// over is a client of a server whose one workflow has ended with an error.
type over struct {
	client.Client
	client.WorkflowRun
	err error
}

func (o over) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: "w"}, Type: &commonpb.WorkflowType{Name: api.Analysis.Name()},
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED,
	}}, nil
}

func (o over) GetWorkflow(context.Context, string, string) client.WorkflowRun { return o }
func (o over) Get(context.Context, any) error                                 { return o.err }

func TestResultOfAnEndedWorkflow(t *testing.T) {
	for class, c := range map[string]struct {
		err  error
		want string
	}{
		"CancelledError":   {temporal.NewCanceledError(), "workflow w was canceled"},
		"TerminatedError":  {&temporal.TerminatedError{}, "workflow w was terminated"},
		"InvalidDataError": {temporal.NewNonRetryableApplicationError("x.h5ad: X is missing", "InvalidDataError", nil), "x.h5ad: X is missing"},
	} {
		_, err := api.NewClient(over{err: c.err}, api.TemporalConfig{}).Result(t.Context(), "w")
		got, ok := retry.ClassOf(err)
		require.True(t, ok)
		require.Equal(t, class, string(got))
		require.Equal(t, c.want, retry.Message(err))
		require.True(t, errors.Is(err, c.err) || errors.As(err, new(*temporal.ApplicationError)))
	}
}
