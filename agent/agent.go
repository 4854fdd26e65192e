package agent

import (
	"context"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
)

// Agent is a set of workflows and activities that share a task queue and a
// retry policy. Embed [Base] to get the first three methods from the agent's
// [Domain].
//
// The methods are called from several goroutines and must return the same
// values every time.
type Agent interface {
	// Name identifies the agent in a registry, in logs and in metrics.
	Name() string
	// TaskQueue is the queue that the agent's worker polls.
	TaskQueue() string
	// RetryPolicy is the policy of the agent's activities unless a
	// definition has its own.
	RetryPolicy() *temporal.RetryPolicy
	// Workflows and Activities are registered apart from each other: a
	// replayer takes the workflows only.
	Workflows() []Binding
	Activities() []Binding
}

// Starter is implemented by an agent that loads or warms up something before
// its worker polls. Start is called each time a worker is built for the agent,
// never twice without [Stopper]'s Stop between them; it should return soon
// after ctx ends.
type Starter interface {
	Start(ctx context.Context) error
}

// Stopper is implemented by an agent that holds something to release. Stop is
// called after the worker has stopped, also when Start failed, and never beside an
// activity, a CheckHealth or a Describe: it waits for those that go on.
type Stopper interface {
	Stop(ctx context.Context) error
}

// HealthChecker is implemented by an agent that can tell whether it is able to
// work. An agent whose check fails is not ready; its worker keeps running. ctx ends
// within 3 s, and when the agent is stopped: a check that goes on counts as failed,
// no other is called beside it, and Stop waits until it returns.
type HealthChecker interface {
	CheckHealth(ctx context.Context) error
}

// Describer is implemented by an agent that has something to tell to whoever
// looks at its status, such as the device it computes on: a few names in snake
// case with short texts, no secrets. Describe is called after each health check, and
// is bound by the same time and rules.
type Describer interface {
	Describe(ctx context.Context) map[string]string
}

// WorkerConfigurer is implemented by an agent whose worker needs other options
// than the defaults. ConfigureWorker changes opts in place; options that the
// program sets for the agent come after it.
type WorkerConfigurer interface {
	ConfigureWorker(opts *worker.Options)
}
