package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
)

// Outcome is how a workflow has ended, and what it returned.
type Outcome[T any] struct {
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	// Type is the workflow's.
	Type   string `json:"type"`
	Status string `json:"status"`
	// Result is nil while the workflow runs.
	Result   *T         `json:"result"`
	Started  time.Time  `json:"started"`
	Finished *time.Time `json:"finished,omitempty"`
}

// WorkflowResult is the outcome of an analysis.
type WorkflowResult = Outcome[AnalysisWorkflowResult]

func outcomeOf[T any](s WorkflowStatus, result *T) Outcome[T] {
	return Outcome[T]{
		WorkflowID: s.WorkflowID, RunID: s.RunID, Type: s.Type, Status: s.Status,
		Result: result, Started: s.Started, Finished: s.Closed,
	}
}

// ErrNotFinished is returned by ResultNow for a workflow that still runs.
var ErrNotFinished = errors.New("the workflow has not finished")

// Result waits for the result of an analysis. The error of a failed one has
// the class of its cause (retry.ClassOf).
func (c *Client) Result(ctx context.Context, id string) (WorkflowResult, error) {
	return Wait[AnalysisWorkflowResult](ctx, c, id)
}

// ResultNow is Result for an analysis that has ended; for one that has not it
// returns ErrNotFinished at once.
func (c *Client) ResultNow(ctx context.Context, id string) (WorkflowResult, error) {
	return WaitNow[AnalysisWorkflowResult](ctx, c, id)
}

// Wait waits for the result of any of the agent's workflows, which returns a T:
// AnnotationResponse for [Annotation], and so on; json.RawMessage takes all.
func Wait[T any](ctx context.Context, c *Client, id string) (Outcome[T], error) {
	first, err := c.describe(ctx, id)
	if err != nil {
		return Outcome[T]{}, err
	}
	if err := checkType[T](first); err != nil {
		return Outcome[T]{}, err
	}
	out := new(T)
	if err := c.temporal.GetWorkflow(ctx, id, "").Get(ctx, out); err != nil {
		return Outcome[T]{}, ended(id, err)
	}
	s, err := c.describe(ctx, id)
	if err != nil {
		return Outcome[T]{}, err
	}
	return outcomeOf(s, out), nil
}

// EndedError is a workflow that somebody cancelled or terminated. It wraps
// Temporal's own error, a *temporal.CanceledError or *temporal.TerminatedError.
type EndedError struct {
	WorkflowID string
	// Status is StatusCanceled or StatusTerminated.
	Status string
	err    error
}

func (e *EndedError) Error() string { return "workflow " + e.WorkflowID + " was " + e.Status }

func (e *EndedError) Unwrap() error { return e.err }

// ErrorType is its class on command lines: CancelledError or TerminatedError.
func (e *EndedError) ErrorType() string {
	if e.Status == StatusTerminated {
		return "TerminatedError"
	}
	return "CancelledError"
}

// ended tells workflows that somebody ended from those that failed.
func ended(id string, err error) error {
	var cancelled *temporal.CanceledError
	var terminated *temporal.TerminatedError
	switch {
	case errors.As(err, &terminated):
		return &EndedError{id, StatusTerminated, err}
	case errors.As(err, &cancelled):
		return &EndedError{id, StatusCanceled, err}
	}
	return err
}

// WaitNow is Wait for a workflow that has ended; for one that has not it returns
// ErrNotFinished at once.
func WaitNow[T any](ctx context.Context, c *Client, id string) (Outcome[T], error) {
	s, err := c.describe(ctx, id)
	if err != nil {
		return Outcome[T]{}, err
	}
	if s.Status == StatusRunning {
		return Outcome[T]{}, fmt.Errorf("workflow %s: %w", id, ErrNotFinished)
	}
	return Wait[T](ctx, c, id)
}

// checkType returns an error where a workflow's type is known not to return a T,
// whose JSON would otherwise be decoded into nothing.
func checkType[T any](s WorkflowStatus) error {
	var want string
	switch any(*new(T)).(type) {
	case json.RawMessage:
		return nil
	case AnalysisWorkflowResult:
		want = Analysis.Name()
	case AnnotationResponse:
		want = Annotation.Name()
	case BatchIntegrationResponse:
		want = Integration.Name()
	case CellEmbeddingResponse:
		want = CellEmbedding.Name()
	case EmbeddingResponse:
		want = GeneEmbedding.Name()
	default:
		return fmt.Errorf("no workflow of the agent returns a %T", *new(T))
	}
	if s.Type != want {
		return fmt.Errorf("workflow %s is a %s, not a %s", s.WorkflowID, s.Type, want)
	}
	return nil
}
