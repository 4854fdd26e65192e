package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"

	"github.com/seed-ab6af24b/troupe/agent"
)

// TemporalConfig says where Temporal is. Empty fields come from the TEMPORAL_*
// environment variables and temporal.toml, as in the SDK's envconfig, and then
// default to localhost:7233, the namespace default and the queue scgpt-tasks.
type TemporalConfig struct {
	Address   string
	Namespace string
	TaskQueue string
	// Logger takes the SDK's log; nil discards it.
	Logger *slog.Logger
}

// Client starts analyses and follows them. It is safe for concurrent use.
type Client struct {
	temporal  client.Client
	namespace string
	queue     string
	owned     bool
}

// Connect connects to Temporal. Close the client after use.
func Connect(ctx context.Context, cfg TemporalConfig) (*Client, error) {
	opts, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, fmt.Errorf("load the configuration of the Temporal client: %w", err)
	}
	if cfg.Address != "" {
		opts.HostPort = cfg.Address
	}
	if cfg.Namespace != "" {
		opts.Namespace = cfg.Namespace
	}
	logger := cfg.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	opts.Logger = sdklog.NewStructuredLogger(logger)
	c, err := client.DialContext(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal: %w", err)
	}
	cfg.Namespace = opts.Namespace
	cl := NewClient(c, cfg)
	cl.owned = true
	return cl, nil
}

// NewClient returns a Client over a connection that the program has, and which
// Close leaves open. Of cfg it takes the namespace, which must be that of c, and
// the task queue.
func NewClient(c client.Client, cfg TemporalConfig) *Client {
	return &Client{
		temporal:  c,
		namespace: cmp.Or(cfg.Namespace, client.DefaultNamespace),
		queue:     cmp.Or(cfg.TaskQueue, Domain.TaskQueue),
	}
}

// Close closes the connection that Connect opened.
func (c *Client) Close() {
	if c.owned {
		c.temporal.Close()
	}
}

// Temporal returns the SDK's client below, for what Client has no method for.
func (c *Client) Temporal() client.Client { return c.temporal }

// Namespace returns the namespace that the client works in.
func (c *Client) Namespace() string { return c.namespace }

// StartAnalysis starts an analysis and returns the workflow's id,
// scgpt-analysis- and 8 hexadecimal digits.
func (c *Client) StartAnalysis(ctx context.Context, req AnalysisWorkflowRequest) (string, error) {
	run, err := Analysis.Start(ctx, c.temporal, req, agent.WithID(newID("scgpt-analysis-")), agent.OnTaskQueue(c.queue),
		agent.StaticSummary("scGPT analysis of "+req.ExpressionData))
	if err != nil {
		return "", err
	}
	return run.ID(), nil
}

// RunAnalysis starts an analysis and waits for its result.
func (c *Client) RunAnalysis(ctx context.Context, req AnalysisWorkflowRequest) (WorkflowResult, error) {
	id, err := c.StartAnalysis(ctx, req)
	if err != nil {
		return WorkflowResult{}, err
	}
	return c.Result(ctx, id)
}

func newID(prefix string) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return prefix + hex.EncodeToString(b[:])
}

// WorkflowStatus is how a workflow stands.
type WorkflowStatus struct {
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	Type       string `json:"type"`
	TaskQueue  string `json:"task_queue"`
	// Status is running, completed, failed, canceled, terminated,
	// continued_as_new or timed_out.
	Status  string     `json:"status"`
	Started time.Time  `json:"started"`
	Closed  *time.Time `json:"closed,omitempty"`
	// Progress is there while a worker answers for the workflow.
	Progress *Progress `json:"progress,omitempty"`
	// Attempts tells of pending activities that failed before.
	Attempts []Attempt `json:"attempts,omitempty"`
}

// Attempt is a pending activity that is not in its first attempt.
type Attempt struct {
	Activity string `json:"activity"`
	Attempt  int32  `json:"attempt"`
	Failure  string `json:"failure,omitempty"`
}

// WorkflowResult is the outcome of a workflow.
type WorkflowResult struct {
	WorkflowID string                  `json:"workflow_id"`
	RunID      string                  `json:"run_id"`
	Status     string                  `json:"status"`
	Result     *AnalysisWorkflowResult `json:"result"`
	Started    time.Time               `json:"started"`
	Finished   *time.Time              `json:"finished,omitempty"`
}

// ErrNotFinished is returned by ResultNow for a workflow that still runs.
var ErrNotFinished = errors.New("the workflow has not finished")

// Result waits for the result of an analysis. The error of a failed one has
// the class of its cause (retry.ClassOf).
func (c *Client) Result(ctx context.Context, id string) (WorkflowResult, error) {
	out, err := Analysis.Get(c.temporal, id, "").Get(ctx)
	if err != nil {
		return WorkflowResult{}, err
	}
	status, err := c.describe(ctx, id)
	if err != nil {
		return WorkflowResult{}, err
	}
	return WorkflowResult{
		WorkflowID: status.WorkflowID, RunID: status.RunID, Status: status.Status,
		Result: &out, Started: status.Started, Finished: status.Closed,
	}, nil
}

// ResultNow is Result for a workflow that has ended; for one that has not it
// returns ErrNotFinished at once.
func (c *Client) ResultNow(ctx context.Context, id string) (WorkflowResult, error) {
	status, err := c.describe(ctx, id)
	if err != nil {
		return WorkflowResult{}, err
	}
	if status.Status == "running" {
		return WorkflowResult{}, fmt.Errorf("workflow %s: %w", id, ErrNotFinished)
	}
	return c.Result(ctx, id)
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
		return status, ctx.Err()
	}
	if status.Status == "running" {
		c.addHeartbeats(ctx, id, &status, &p)
	}
	status.Progress = &p
	return status, nil
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
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return WorkflowStatus{}, fmt.Errorf("there is no workflow %q in the namespace %s", id, c.namespace)
	}
	if err != nil {
		return WorkflowStatus{}, err
	}
	return statusOf(d.GetWorkflowExecutionInfo()), nil
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
		return "running"
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return "completed"
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
		return "failed"
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return "canceled"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return "terminated"
	case enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return "continued_as_new"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return "timed_out"
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
	page, err := c.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.namespace,
		PageSize:  int32(min(limit, 1000)),
		Query:     fmt.Sprintf("TaskQueue = %q", c.queue),
	})
	if err != nil {
		return nil, err
	}
	list := []WorkflowStatus{}
	for _, info := range page.GetExecutions() {
		list = append(list, statusOf(info))
	}
	return list, nil
}

// Cancel asks a workflow to end; it removes what it has computed so far.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return Analysis.Get(c.temporal, id, "").Cancel(ctx)
}

// Terminate ends a workflow at once. The shard files that it has computed stay,
// in a folder beside the output.
func (c *Client) Terminate(ctx context.Context, id, reason string) error {
	return Analysis.Get(c.temporal, id, "").Terminate(ctx, reason)
}
