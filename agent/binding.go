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

	versioning workflow.VersioningBehavior
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

// Pinned has executions of a workflow run to their end by the worker deployment
// version that began them, whatever becomes current meanwhile: their code may
// change without regard to them. It has an effect with worker versioning only,
// and none on an activity.
func (b Binding) Pinned() Binding {
	b.versioning = workflow.VersioningBehaviorPinned
	return b
}

// AutoUpgrade has executions of a workflow move to the version that becomes
// current: for workflows that live longer than a version should. Their code must
// be able to replay what earlier versions did (workflow.GetVersion). It has an
// effect with worker versioning only, and none on an activity.
func (b Binding) AutoUpgrade() Binding {
	b.versioning = workflow.VersioningBehaviorAutoUpgrade
	return b
}

// Bind collects bindings; it is there so that an agent's methods read well.
func Bind(bindings ...Binding) []Binding { return bindings }

// RegisterWorkflows registers the agent's workflows with r: a worker, a test
// environment or a replayer. The agent is assumed to be valid ([Validate]).
func RegisterWorkflows(r worker.WorkflowRegistry, a Agent) {
	for _, b := range a.Workflows() {
		r.RegisterWorkflowWithOptions(b.function, workflow.RegisterOptions{Name: b.name, VersioningBehavior: b.versioning})
	}
}

// RegisterActivities registers the agent's activities with r: a worker or a
// test environment. The agent is assumed to be valid ([Validate]).
func RegisterActivities(r worker.ActivityRegistry, a Agent) {
	for _, b := range a.Activities() {
		r.RegisterActivityWithOptions(b.function, activity.RegisterOptions{Name: b.name})
	}
}
