package reminder

import (
	"context"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
)

// Agent reminds. Make it with [New].
type Agent struct {
	agent.Base
	book *book
}

var (
	_ agent.Starter          = (*Agent)(nil)
	_ agent.WorkerConfigurer = (*Agent)(nil)
)

// New returns the agent, which appends to the file. Several workers may have
// one file, on one machine.
func New(file string) *Agent {
	return &Agent{Base: Domain.Base(), book: &book{path: file}}
}

// Start makes sure that the file can be written: better now than when the first
// reminder is due.
func (a *Agent) Start(context.Context) error { return a.book.open() }

// ConfigureWorker makes reminders come in time after a crash. The server offers
// a workflow's next step to the worker that has it in memory, and to others
// after this time, 5 s by default.
func (a *Agent) ConfigureWorker(o *worker.Options) {
	o.StickyScheduleToStartTimeout = time.Second
}

// Workflows binds the definitions to workflow functions.
func (a *Agent) Workflows() []agent.Binding { return agent.Bind(Remind.To(remind)) }

// Activities binds the definitions to the agent's methods.
func (a *Agent) Activities() []agent.Binding { return agent.Bind(Append.To(a.append)) }
