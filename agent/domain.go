package agent

import "go.temporal.io/sdk/temporal"

// Domain is what the definitions of one agent have in common.
type Domain struct {
	// Name is the agent's name.
	Name string
	// TaskQueue is where the agent's worker polls.
	TaskQueue string
	// Retry is the policy of activities that have none of their own;
	// nil leaves Temporal's default, which retries without end.
	Retry *temporal.RetryPolicy
}

// Base returns the part of an [Agent] that the domain determines, to embed.
func (d Domain) Base() Base { return Base{domain: d} }

// Base is embedded by agents for Name, TaskQueue and RetryPolicy, and for
// empty lists of workflows and activities, so that an agent writes only those
// that it has. Make it with [Domain.Base].
type Base struct {
	domain Domain
}

// Name implements [Agent].
func (b Base) Name() string { return b.domain.Name }

// TaskQueue implements [Agent].
func (b Base) TaskQueue() string { return b.domain.TaskQueue }

// RetryPolicy implements [Agent].
func (b Base) RetryPolicy() *temporal.RetryPolicy { return b.domain.Retry }

// Workflows returns none.
func (b Base) Workflows() []Binding { return nil }

// Activities returns none.
func (b Base) Activities() []Binding { return nil }

// OnTaskQueue returns b for the same agent on another queue: one queue per
// tenant or per device, say. Activities that one of the agent's workflows
// calls follow the workflow to its queue.
func (b Base) OnTaskQueue(name string) Base {
	b.domain.TaskQueue = name
	return b
}
