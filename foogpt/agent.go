package foogpt

import (
	"context"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/foogpt/api"
)

// Agent names clusters of cells. Make it with [New].
type Agent struct {
	agent.Base // name, task queue and retry policy of the domain

	markers markerTable // loaded by Start, then only read
}

var (
	_ agent.Agent   = (*Agent)(nil)
	_ agent.Starter = (*Agent)(nil)
)

// New returns the agent, to be registered with a registry.
func New() *Agent { return &Agent{Base: api.Domain.Base()} }

// Start loads the table of markers.
func (a *Agent) Start(context.Context) (err error) {
	a.markers, err = parseMarkers(markersFile)
	return err
}

// Activities binds the definitions of package api to the agent's methods.
func (a *Agent) Activities() []agent.Binding { return agent.Bind(api.NameClusters.To(a.nameClusters)) }

// Workflows binds the definitions of package api to workflow functions.
func (a *Agent) Workflows() []agent.Binding { return agent.Bind(api.Naming.To(naming)) }
