package api_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// pages is a client of a server with so many workflows, which answers at most 1,000
// of them at a time, as Temporal does.
type pages struct {
	client.Client
	workflows int
}

func (p pages) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	from := 0
	if len(r.NextPageToken) > 0 {
		from, _ = strconv.Atoi(string(r.NextPageToken))
	}
	to := min(from+int(min(r.PageSize, 1000)), p.workflows)
	answer := &workflowservice.ListWorkflowExecutionsResponse{}
	for i := from; i < to; i++ {
		answer.Executions = append(answer.Executions, &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: strconv.Itoa(i)}})
	}
	if to < p.workflows {
		answer.NextPageToken = []byte(strconv.Itoa(to))
	}
	return answer, nil
}

func TestListOfManyPages(t *testing.T) {
	for _, c := range []struct{ workflows, limit, want int }{
		{0, 20, 0}, {5, 20, 5}, {50, 20, 20}, {1000, 1000, 1000}, {2500, 1001, 1001}, {2500, 5000, 2500},
	} {
		list, err := api.NewClient(pages{workflows: c.workflows}, api.TemporalConfig{}).List(t.Context(), c.limit)
		require.NoError(t, err)
		require.Len(t, list, c.want)
		for i, w := range list {
			require.Equal(t, strconv.Itoa(i), w.WorkflowID)
		}
	}
}
