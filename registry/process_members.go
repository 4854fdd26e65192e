package registry

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// lateTimeout is for how long a registry of a child's program waits for one that
// has the agent, or that fits better than the only one that has it: programs make
// registries in goroutines of their own.
const lateTimeout = 3 * time.Second

// members are the registries of a child's program, of which one runs the agent.
type members struct {
	mu      sync.Mutex
	all     []*Registry
	waiting int           // how many of them are in Run, and do not run the agent
	chosen  *Registry     // the one that does, nil at first
	refused error         // why none does
	changed chan struct{} // closed and replaced when one is made, registers the agent or is chosen
	// clash says that another one than the chosen one would have been right.
	clash chan error
	// over is closed when the process is to exit.
	over     chan struct{}
	overOnce sync.Once
}

func newMembers() *members {
	return &members{changed: make(chan struct{}), clash: make(chan error, 1), over: make(chan struct{})}
}

// notify wakes those that wait. m.mu is held.
func (m *members) notify() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// join adds a registry that has been made.
func (c *child) join(r *Registry) {
	m := c.members
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, r)
	m.notify()
}

// registered is called when a registry has got the agent.
func (c *child) registered() {
	m := c.members
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.chosen == nil {
		m.notify()
		return
	}
	if best, _ := c.best(); best != m.chosen {
		select {
		case m.clash <- fmt.Errorf("%w; the one that began to run first had taken it: register the agent with both before", c.ambiguous()):
		default:
		}
	}
}

// leave tells the other registries that the process is to exit.
func (m *members) leave() { m.overOnce.Do(func() { close(m.over) }) }

// await returns the agent if r is to run it, and nil when ctx or the process ends
// and another registry of the program does.
func (c *child) await(ctx context.Context, r *Registry) (*supervisor, error) {
	m := c.members
	m.mu.Lock()
	m.waiting++
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.waiting--
		m.mu.Unlock()
	}()
	timer := time.NewTimer(lateTimeout)
	defer timer.Stop()
	for late := false; ; {
		s, changed, err := c.choose(r, late)
		if s != nil || err != nil {
			return s, err
		}
		select {
		case <-changed:
		case <-timer.C:
			late = true
		case <-m.over:
			return nil, nil //nolint:nilnil // no agent is no error
		case <-ctx.Done():
			return nil, nil //nolint:nilnil // likewise
		}
	}
}

// choose decides which registry runs the agent, if that is clear by now, and
// returns the agent if it is r.
func (c *child) choose(r *Registry, late bool) (s *supervisor, changed <-chan struct{}, err error) {
	m := c.members
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.chosen == nil && m.refused == nil {
		best, sure := c.best()
		switch {
		case best != nil && (sure || late):
			m.chosen = best
			m.notify()
		case best == nil && late && sure && m.waiting == len(m.all):
			m.refused = fmt.Errorf("this process is to run the agent %q, which its program does not register", c.hello.Agent)
			m.notify()
		case best == nil && late && !sure:
			m.refused = c.ambiguous()
			m.notify()
		}
	}
	if m.chosen == r {
		s = r.agentNamed(c.hello.Agent)
	}
	return s, m.changed, m.refused
}

func (c *child) ambiguous() error {
	return fmt.Errorf("several registries of this program have the agent %q, and neither task queue, namespace nor address tells which one this process is of (it is that with the task queue %q, the namespace %q and %s): WithNamespace tells them apart",
		c.hello.Agent, c.hello.TaskQueue, c.hello.Namespace, cmp.Or(c.hello.Target, "an unknown address"))
}

// best returns the registry that has the agent and fits what the parent says of
// its own. sure is false where one that is yet to come may fit better; without
// one, where several fit alike. m.mu is held.
func (c *child) best() (best *Registry, sure bool) {
	var having, fitting, exact []*Registry
	for _, r := range c.members.all {
		s := r.agentNamed(c.hello.Agent)
		if s == nil {
			continue
		}
		having = append(having, r)
		if !fits(s, c.hello) {
			continue
		}
		fitting = append(fitting, r)
		if s.connection.namespace == c.hello.Namespace && s.connection.target == c.hello.Target {
			exact = append(exact, r)
		}
	}
	switch {
	case len(having) == 0:
		return nil, true
	case len(exact) == 1:
		return exact[0], true
	case len(fitting) == 1:
		return fitting[0], true
	case len(having) == 1:
		return having[0], false
	}
	return nil, false
}

// fits reports whether the agent may be the parent's. Namespaces that only a client
// knows are unknown, and so is all that an older parent does not say; the address
// may differ, where the parent gives the child another one.
func fits(s *supervisor, h process.Hello) bool {
	namespaced := s.connection.namespace == "" || h.Namespace == "" || s.connection.namespace == h.Namespace
	return namespaced && (h.TaskQueue == "" || s.queue == h.TaskQueue)
}

// agentNamed returns the agent, nil if there is none.
func (r *Registry) agentNamed(name string) *supervisor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.agents[name]
}
