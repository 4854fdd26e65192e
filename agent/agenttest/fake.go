package agenttest

import (
	"context"
	"slices"
	"sync"

	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
)

// Fake is an agent for tests of programs that run agents or call them. Give it
// activities and workflows with [Mock] and [MockWorkflow]: of definitions of
// its own, or of those of the agent whose place it takes.
//
//	fake := agenttest.NewFake(api.Domain)
//	embed := agenttest.Mock(fake, api.EmbedShard).Fail(retry.OutOfMemory.Errorf("full")).Return(shard)
//
// Without the functions below it starts, stops and is healthy. Set them before
// the agent is registered. It is safe for concurrent use.
type Fake struct {
	agent.Base

	// OnStart is called by Start, OnStop by Stop, OnHealthCheck by
	// CheckHealth: what they return, they return.
	OnStart, OnStop, OnHealthCheck func(context.Context) error
	// OnConfigure is called by ConfigureWorker.
	OnConfigure func(*worker.Options)

	mu                           sync.Mutex
	activities, workflows        []agent.Binding
	starts, stops, healthChecked int
}

var (
	_ agent.Agent            = (*Fake)(nil)
	_ agent.Starter          = (*Fake)(nil)
	_ agent.Stopper          = (*Fake)(nil)
	_ agent.HealthChecker    = (*Fake)(nil)
	_ agent.WorkerConfigurer = (*Fake)(nil)
)

// NewFake returns a fake with the name, the queue and the policy of the domain,
// and with neither activities nor workflows: it is valid as soon as something
// is mocked.
func NewFake(d agent.Domain) *Fake { return &Fake{Base: d.Base()} }

// Activities returns the mocked activities.
func (f *Fake) Activities() []agent.Binding {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.activities)
}

// Workflows returns the mocked workflows.
func (f *Fake) Workflows() []agent.Binding {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.workflows)
}

// Start counts, and calls OnStart.
func (f *Fake) Start(ctx context.Context) error { return f.call(ctx, &f.starts, f.OnStart) }

// Stop counts, and calls OnStop.
func (f *Fake) Stop(ctx context.Context) error { return f.call(ctx, &f.stops, f.OnStop) }

// CheckHealth counts, and calls OnHealthCheck.
func (f *Fake) CheckHealth(ctx context.Context) error {
	return f.call(ctx, &f.healthChecked, f.OnHealthCheck)
}

// ConfigureWorker calls OnConfigure.
func (f *Fake) ConfigureWorker(o *worker.Options) {
	// Cancellations arrive with heartbeats; a test should not wait for them.
	o.MaxHeartbeatThrottleInterval = agent.HeartbeatInterval
	o.DefaultHeartbeatThrottleInterval = agent.HeartbeatInterval
	if f.OnConfigure != nil {
		f.OnConfigure(o)
	}
}

// Starts returns how often Start was called.
func (f *Fake) Starts() int { return f.count(&f.starts) }

// Stops returns how often Stop was called.
func (f *Fake) Stops() int { return f.count(&f.stops) }

// HealthChecks returns how often CheckHealth was called.
func (f *Fake) HealthChecks() int { return f.count(&f.healthChecked) }

func (f *Fake) count(n *int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *n
}

func (f *Fake) call(ctx context.Context, n *int, g func(context.Context) error) error {
	f.mu.Lock()
	*n++
	f.mu.Unlock()
	if g == nil {
		return nil
	}
	return g(ctx)
}

// bindActivity implements Host.
func (f *Fake) bindActivity(b agent.Binding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.activities = replaced(f.activities, b)
}

// bindWorkflow implements Host.
func (f *Fake) bindWorkflow(b agent.Binding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workflows = replaced(f.workflows, b)
}

func replaced(bindings []agent.Binding, b agent.Binding) []agent.Binding {
	for i := range bindings {
		if bindings[i].Name() == b.Name() {
			bindings[i] = b
			return bindings
		}
	}
	return append(bindings, b)
}
