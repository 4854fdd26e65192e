package agent

import (
	"reflect"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Binding is a function bound to its definition, ready to be registered. Make
// one with [Activity.To] or [Workflow.To].
type Binding struct {
	domain   Domain
	name     string
	kind     kind
	in, out  reflect.Type
	function any
}

type kind string

const (
	kindActivity kind = "activity"
	kindWorkflow kind = "workflow"
)

// Name returns the type name that the function is registered under.
func (b Binding) Name() string { return b.name }

// Types returns the types of the input and of the result.
func (b Binding) Types() (in, out reflect.Type) { return b.in, b.out }

// Bind collects bindings; it is there so that an agent's methods read well.
func Bind(bindings ...Binding) []Binding { return bindings }

// RegisterWorkflows registers the agent's workflows with r: a worker, a test
// environment or a replayer. The agent is assumed to be valid ([Validate]).
func RegisterWorkflows(r worker.WorkflowRegistry, a Agent) {
	for _, b := range a.Workflows() {
		r.RegisterWorkflowWithOptions(b.function, workflow.RegisterOptions{Name: b.name})
	}
}

// RegisterActivities registers the agent's activities with r: a worker or a
// test environment. The agent is assumed to be valid ([Validate]).
func RegisterActivities(r worker.ActivityRegistry, a Agent) {
	for _, b := range a.Activities() {
		r.RegisterActivityWithOptions(b.function, activity.RegisterOptions{Name: b.name})
	}
}
