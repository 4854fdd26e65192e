package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
)

// Shared returns an agent that runs several agents of one task queue on one
// worker: the only way for them to share the queue, since a worker that takes
// a task which it has no function for fails it. Its name is theirs, joined by
// "+". It is ready when all are; what keeps one of them from starting or
// polling keeps all of them.
//
// Agents are started and configure the worker in the order given, and are
// stopped in the reverse order. Register refuses the result if their queues
// differ, or if two agents have a workflow or an activity of one name.
func Shared(agents ...agent.Agent) agent.Agent { return &shared{members: agents} }

type shared struct {
	members []agent.Agent
	// started is how many members Start was called of. The supervisor calls
	// Start and Stop one after the other.
	started int
}

// validate reports what agent.Validate cannot see of the members.
func (s *shared) validate() error {
	if len(s.members) == 0 {
		return errors.New("registry.Shared: no agents")
	}
	for _, m := range s.members {
		if err := agent.Validate(m); err != nil {
			return fmt.Errorf("registry.Shared: %w", err)
		}
	}
	var errs []error
	for i, m := range s.members {
		for _, other := range s.members[:i] {
			if m.Name() == other.Name() {
				errs = append(errs, fmt.Errorf("registry.Shared: two agents are named %q", m.Name()))
			}
		}
		if first := s.members[0]; m.TaskQueue() != first.TaskQueue() {
			errs = append(errs, fmt.Errorf("registry.Shared: agent %q has the task queue %q, but %q has %q",
				m.Name(), m.TaskQueue(), first.Name(), first.TaskQueue()))
		}
	}
	return errors.Join(errs...)
}

func (s *shared) Name() string {
	names := make([]string, len(s.members))
	for i, m := range s.members {
		names[i] = m.Name()
	}
	return strings.Join(names, "+")
}

func (s *shared) TaskQueue() string { return s.members[0].TaskQueue() }

// RetryPolicy is nobody's in particular: definitions carry their domain's.
func (s *shared) RetryPolicy() *temporal.RetryPolicy { return s.members[0].RetryPolicy() }

func (s *shared) Workflows() (all []agent.Binding) {
	for _, m := range s.members {
		all = append(all, m.Workflows()...)
	}
	return all
}

func (s *shared) Activities() (all []agent.Binding) {
	for _, m := range s.members {
		all = append(all, m.Activities()...)
	}
	return all
}

func (s *shared) ConfigureWorker(o *worker.Options) {
	for _, m := range s.members {
		if c, ok := m.(agent.WorkerConfigurer); ok {
			c.ConfigureWorker(o)
		}
	}
}

func (s *shared) Start(ctx context.Context) error {
	for i, m := range s.members {
		s.started = i + 1
		if starter, ok := m.(agent.Starter); ok {
			if err := guard(m.Name(), func() error { return starter.Start(ctx) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// Stop stops those members that Start was called of, even if one fails.
func (s *shared) Stop(ctx context.Context) error {
	var errs []error
	for ; s.started > 0; s.started-- {
		m := s.members[s.started-1]
		if stopper, ok := m.(agent.Stopper); ok {
			errs = append(errs, guard(m.Name(), func() error { return stopper.Stop(ctx) }))
		}
	}
	return errors.Join(errs...)
}

func (s *shared) CheckHealth(ctx context.Context) error {
	for _, m := range s.members {
		if h, ok := m.(agent.HealthChecker); ok {
			if err := guard(m.Name(), func() error { return h.CheckHealth(ctx) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// Describe joins what the members tell, each name behind that of its agent.
func (s *shared) Describe(ctx context.Context) map[string]string {
	all := map[string]string{}
	for _, m := range s.members {
		if d, ok := m.(agent.Describer); ok {
			for name, text := range d.Describe(ctx) {
				all[m.Name()+"."+name] = text
			}
		}
	}
	return all
}
