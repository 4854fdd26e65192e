package foogpt

import (
	"context"

	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/foogpt/api"
)

// Agent names clusters of cells. Make it with [New] or [NewWith].
type Agent struct {
	agent.Base // name, task queue and retry policy of the domain
	options    Options

	// One of the two, made by Start, is then only read.
	markers markerTable
	chat    *chat
}

var (
	_ agent.Agent            = (*Agent)(nil)
	_ agent.Starter          = (*Agent)(nil)
	_ agent.Stopper          = (*Agent)(nil)
	_ agent.WorkerConfigurer = (*Agent)(nil)
)

// New returns the agent as it works offline, to be registered with a registry.
func New() *Agent { return NewWith(Options{}) }

// NewWith returns the agent with options, which Start checks.
func NewWith(o Options) *Agent { return &Agent{Base: api.Domain.Base(), options: o} }

// Start loads the table of markers, or makes the client of the model's server.
// It asks nothing of the server: a server that is down must not keep a worker
// from its start, and its activities are retried.
func (a *Agent) Start(context.Context) (err error) {
	if err := a.options.check(); err != nil {
		return err
	}
	if a.options.Model == "" {
		a.markers, err = parseMarkers(markersFile)
		return err
	}
	a.chat = newChat(a.options)
	return nil
}

// Stop closes the client's connections.
func (a *Agent) Stop(context.Context) error {
	if a.chat != nil {
		a.chat.close()
	}
	return nil
}

// ConfigureWorker sets the rate of the task queue.
func (a *Agent) ConfigureWorker(o *worker.Options) {
	if rate := a.options.ActivitiesPerSecond; rate > 0 {
		o.TaskQueueActivitiesPerSecond = rate
	}
}

// Activities binds the definitions of package api to the agent's methods.
func (a *Agent) Activities() []agent.Binding { return agent.Bind(api.NameClusters.To(a.nameClusters)) }

// Workflows binds the definitions of package api to workflow functions.
func (a *Agent) Workflows() []agent.Binding { return agent.Bind(api.Naming.To(naming)) }
