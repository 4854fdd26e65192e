package agent

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"
)

// Workflow defines a workflow that takes an In and returns an Out. It is a
// value without state: make it once with [NewWorkflow], share it freely.
type Workflow[In, Out any] struct {
	domain  Domain
	name    string
	options []StartOption
}

// StartOption changes the SDK's options of a workflow start. It is given to a
// definition, for every start, or to one start, which comes last. Any function
// of this shape will do; the ones here are the common cases.
type StartOption func(*client.StartWorkflowOptions)

// WithID sets the workflow's id. Without it the server makes one up.
func WithID(id string) StartOption {
	return func(o *client.StartWorkflowOptions) { o.ID = id }
}

// OnTaskQueue starts the workflow on another queue than its domain's.
func OnTaskQueue(name string) StartOption {
	return func(o *client.StartWorkflowOptions) { o.TaskQueue = name }
}

// StaticSummary is a line of Markdown that the web UI shows for the workflow. A
// long one is cut.
func StaticSummary(text string) StartOption {
	return func(o *client.StartWorkflowOptions) { o.StaticSummary = clip(text) }
}

// NewWorkflow defines a workflow of a domain. name is its type name on the
// wire, unique on the task queue.
func NewWorkflow[In, Out any](d Domain, name string, options ...StartOption) Workflow[In, Out] {
	return Workflow[In, Out]{domain: d, name: name, options: slices.Clone(options)}
}

// Name returns the workflow's type name.
func (w Workflow[In, Out]) Name() string { return w.name }

// To binds f to the definition. f must be deterministic: time, randomness and
// waiting come from package workflow, everything else from activities.
//
// Fields of the input that In does not have are ignored, with a warning in the log:
// older histories may have them.
func (w Workflow[In, Out]) To(f func(workflow.Context, In) (Out, error)) Binding {
	b := Binding{
		domain: w.domain, name: w.name, kind: kindWorkflow,
		in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
	}
	if f == nil {
		return b
	}
	b.function = func(ctx workflow.Context, raw converter.RawValue) (Out, error) {
		var none Out
		in, err := decode[In](w.what("input"), raw, false)
		if err != nil {
			return none, workflowError(err)
		}
		if _, err := decode[In](w.what("input"), raw, true); err != nil {
			workflow.GetLogger(ctx).Warn("A field of the workflow's input is ignored", "error", err)
		}
		out, err := f(workflow.WithValue(ctx, domainKey{}, w.domain.Name), in)
		if err != nil {
			return none, workflowError(err)
		}
		if err := checkResult(w.what("result"), out); err != nil {
			return none, workflowError(err)
		}
		return out, nil
	}
	return b
}

// Start starts the workflow and returns without waiting for it. An input that
// is refused (see the package comment) is an error before anything is sent.
func (w Workflow[In, Out]) Start(ctx context.Context, c client.Client, in In, options ...StartOption) (Run[Out], error) {
	raw, err := encode(w.what("input"), in)
	if err != nil {
		return Run[Out]{}, err
	}
	o := w.startOptions(options)
	run, err := c.ExecuteWorkflow(ctx, o, w.name, raw)
	if err != nil {
		return Run[Out]{}, fmt.Errorf("start workflow %s: %w", w.name, err)
	}
	return Run[Out]{client: c, id: run.GetID(), runID: run.GetRunID()}, nil
}

// startOptions returns the options of a start by a client.
func (w Workflow[In, Out]) startOptions(options []StartOption) client.StartWorkflowOptions {
	o := client.StartWorkflowOptions{TaskQueue: w.domain.TaskQueue}
	for _, set := range slices.Concat(w.options, options) {
		set(&o)
	}
	return o
}

// Get returns the run of a workflow that was started before, here or
// elsewhere. An empty runID means the latest run of the id. Nothing is asked
// of the server yet.
func (w Workflow[In, Out]) Get(c client.Client, id, runID string) Run[Out] {
	return Run[Out]{client: c, id: id, runID: runID}
}

// ContinueAsNew returns the error that ends this run of the workflow and starts
// the next one with in.
func (w Workflow[In, Out]) ContinueAsNew(ctx workflow.Context, in In) error {
	raw, err := encode(w.what("input"), in)
	if err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, w.name, raw)
}

func (w Workflow[In, Out]) what(part string) string {
	return part + " of the workflow " + w.name
}

// domainKey is where a workflow's context holds the name of its domain.
type domainKey struct{}

func runsIn(ctx workflow.Context, d Domain) bool {
	name, ok := ctx.Value(domainKey{}).(string)
	return ok && name == d.Name
}
