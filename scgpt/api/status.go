package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/seed-ab6af24b/troupe/internal/pollers"
)

// WorkflowStatus is how a workflow stands.
type WorkflowStatus struct {
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	Type       string `json:"type"`
	TaskQueue  string `json:"task_queue"`
	// Status is one of the constants below.
	Status  string     `json:"status"`
	Started time.Time  `json:"started"`
	Closed  *time.Time `json:"closed,omitempty"`
	// Progress is there while a worker answers for the workflow.
	Progress *Progress `json:"progress,omitempty"`
	// Attempts tells of pending activities that failed before.
	Attempts []Attempt `json:"attempts,omitempty"`
	// Unattended tells that it runs and no worker polls its task queue.
	Unattended bool `json:"unattended,omitempty"`
}

// How a workflow stands.
const (
	StatusRunning        = "running"
	StatusCompleted      = "completed"
	StatusFailed         = "failed"
	StatusCanceled       = "canceled"
	StatusTerminated     = "terminated"
	StatusContinuedAsNew = "continued_as_new"
	StatusTimedOut       = "timed_out"
)

// Attempt is a pending activity that is not in its first attempt.
type Attempt struct {
	Activity string `json:"activity"`
	Attempt  int32  `json:"attempt"`
	Failure  string `json:"failure,omitempty"`
}

// queryTimeout bounds the wait for a worker to answer a query: status must not
// hang when no worker is there.
const queryTimeout = 2 * time.Second

// Status returns how a workflow stands, with its progress if a worker answers
// within 2 s.
func (c *Client) Status(ctx context.Context, id string) (WorkflowStatus, error) {
	status, err := c.describe(ctx, id)
	if err != nil {
		return status, err
	}
	qctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	p, err := ProgressQuery.Ask(qctx, c.temporal, id, status.RunID)
	if err != nil {
		if status.Status == StatusRunning {
			polled, err := c.polled(ctx, status.TaskQueue)
			status.Unattended = err == nil && !polled
		}
		return status, ctx.Err()
	}
	if status.Status == StatusRunning {
		c.addHeartbeats(ctx, id, &status, &p)
	}
	status.Progress = &p
	return status, nil
}

// pollAge is a little more than a worker's poll lasts, a minute: the server goes on
// naming those that are gone.
const pollAge = 70 * time.Second

// Polled reports whether a worker has asked for workflow tasks of the task queue in
// the last 70 s. Without one, workflows wait.
func (c *Client) Polled(ctx context.Context) (bool, error) { return c.polled(ctx, c.queue) }

func (c *Client) polled(ctx context.Context, queue string) (bool, error) {
	q := pollers.Queue{Client: c.temporal, Namespace: c.namespace, Name: queue, Type: enumspb.TASK_QUEUE_TYPE_WORKFLOW}
	partition, err := q.Find(ctx, "", func(p pollers.Poller) bool { return time.Since(p.Last) < pollAge })
	return partition != "", err
}

// addHeartbeats adds what the pending activities report to the workflow's own
// progress, which counts whole shards only.
func (c *Client) addHeartbeats(ctx context.Context, id string, status *WorkflowStatus, p *Progress) {
	d, err := c.temporal.DescribeWorkflowExecution(ctx, id, status.RunID)
	if err != nil {
		return
	}
	for _, a := range d.GetPendingActivities() {
		var beat Beat
		if decodeBeat(a.GetHeartbeatDetails(), &beat) {
			p.CellsDone = min(p.CellsDone+beat.Done, p.CellsTotal)
			if beat.Waiting {
				p.Waiting++
			}
		}
		if a.GetAttempt() > 1 {
			status.Attempts = append(status.Attempts, Attempt{
				Activity: a.GetActivityType().GetName(), Attempt: a.GetAttempt(), Failure: a.GetLastFailure().GetMessage(),
			})
		}
	}
}

func decodeBeat(details *commonpb.Payloads, beat *Beat) bool {
	if len(details.GetPayloads()) == 0 {
		return false
	}
	payload := details.GetPayloads()[0]
	return string(payload.GetMetadata()[converter.MetadataEncoding]) == converter.MetadataEncodingJSON &&
		json.Unmarshal(payload.GetData(), beat) == nil
}

func (c *Client) describe(ctx context.Context, id string) (WorkflowStatus, error) {
	d, err := c.temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return WorkflowStatus{}, c.found(id, err)
	}
	return statusOf(d.GetWorkflowExecutionInfo()), nil
}

// found says what was not found where that is the error.
func (c *Client) found(id string, err error) error {
	var missing *serviceerror.NotFound
	if !errors.As(err, &missing) {
		return err
	}
	return fmt.Errorf("there is no workflow %q in the namespace %s", id, c.namespace)
}

func statusOf(info *workflowpb.WorkflowExecutionInfo) WorkflowStatus {
	status := WorkflowStatus{
		WorkflowID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId(),
		Type: info.GetType().GetName(), TaskQueue: info.GetTaskQueue(),
		Status: statusName(info.GetStatus()), Started: info.GetStartTime().AsTime(),
	}
	if info.GetCloseTime() != nil {
		t := info.GetCloseTime().AsTime()
		status.Closed = &t
	}
	return status
}

func statusName(s enumspb.WorkflowExecutionStatus) string {
	switch s {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return StatusRunning
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return StatusCompleted
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
		return StatusFailed
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return StatusCanceled
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return StatusTerminated
	case enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return StatusContinuedAsNew
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return StatusTimedOut
	default:
		return "unknown"
	}
}

// List returns the latest workflows on the agent's queue, the newest first.
// limit must be at least 1.
func (c *Client) List(ctx context.Context, limit int) ([]WorkflowStatus, error) {
	if limit < 1 {
		return nil, fmt.Errorf("limit is %d: want 1 or more", limit)
	}
	list := []WorkflowStatus{}
	var next []byte
	for {
		page, err := c.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace:     c.namespace,
			PageSize:      int32(min(limit-len(list), 1000)),
			NextPageToken: next,
			Query:         fmt.Sprintf("TaskQueue = %q", c.queue),
		})
		if err != nil {
			return nil, err
		}
		for _, info := range page.GetExecutions() {
			list = append(list, statusOf(info))
		}
		if next = page.GetNextPageToken(); len(next) == 0 || len(list) >= limit {
			return list[:min(limit, len(list))], nil
		}
	}
}

// progressInterval is how often Progress asks.
const progressInterval = 500 * time.Millisecond

// Progress follows a workflow: it yields how far it is whenever that has changed,
// until it has ended or ctx does. While no worker answers for the workflow it
// yields nothing. An error is the last thing that it yields; the end of the
// workflow, however it ended, is none (see Result).
func (c *Client) Progress(ctx context.Context, id string) iter.Seq2[Progress, error] {
	return func(yield func(Progress, error) bool) {
		var last *Progress
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			s, err := c.Status(ctx, id)
			if ctx.Err() != nil {
				yield(Progress{}, context.Cause(ctx))
				return
			}
			if err != nil {
				yield(Progress{}, err)
				return
			}
			if p := s.Progress; p != nil && (last == nil || !p.same(*last)) {
				if !yield(*p, nil) {
					return
				}
				last = p
			}
			if s.Status != StatusRunning {
				return
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	}
}

// same compares what may change while a workflow runs.
func (p Progress) same(q Progress) bool {
	p.Estimate, q.Estimate = nil, nil
	return p == q
}
