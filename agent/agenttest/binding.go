package agenttest

import (
	"go.temporal.io/sdk/activity"

	"github.com/seed-ab6af24b/troupe/agent"
)

// functionOf returns the function that a worker calls for the binding.
func functionOf(b agent.Binding) any {
	var r lastFunction
	agent.RegisterActivities(&r, list{activities: agent.Bind(b)})
	return r.function
}

// list is an agent that is nothing but bindings.
type list struct {
	agent.Base
	activities []agent.Binding
}

func (l list) Activities() []agent.Binding { return l.activities }

// lastFunction is a registry that keeps what was registered last.
type lastFunction struct{ function any }

func (r *lastFunction) RegisterActivityWithOptions(f any, _ activity.RegisterOptions) { r.function = f }
func (r *lastFunction) RegisterActivity(f any)                                        { r.function = f }
func (r *lastFunction) RegisterDynamicActivity(f any, _ activity.DynamicRegisterOptions) {
	r.function = f
}
