package agenttest

import (
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
)

// Host is where activities and workflows can be mocked: an [Environment] or a
// [Fake].
type Host interface {
	bindActivity(agent.Binding)
	bindWorkflow(agent.Binding)
}

// Mock lets an activity do what the returned script says: one that an agent of
// the host has, in its stead, or one that none has. The last mock of a
// definition counts. Requests are decoded and checked as by the real agent.
//
// An environment is mocked before it runs, a fake before it is registered; the
// script may be continued at any time.
func Mock[In, Out any](h Host, a agent.Activity[In, Out]) *Script[In, Out] {
	s := &Script[In, Out]{changed: make(chan struct{})}
	h.bindActivity(a.To(s.run))
	return s
}

// MockWorkflow lets a workflow do what f does: one that workflows call as a
// child, or that clients of a [Fake] start. The last mock of a definition
// counts.
func MockWorkflow[In, Out any](h Host, w agent.Workflow[In, Out], f func(workflow.Context, In) (Out, error)) {
	h.bindWorkflow(w.To(f))
}
