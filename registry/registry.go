package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
)

// Registry runs agents. Make it with [New]; all methods are safe for
// concurrent use.
type Registry struct {
	options   Options
	newWorker newWorkerFunc
	// child is set in a process that another registry started, childErr if
	// nothing is known of that one.
	child    *child
	childErr error

	mu     sync.Mutex
	phase  phase
	agents map[string]*supervisor
}

type phase int

const (
	phaseNew phase = iota
	phaseRunning
	phaseStopped
)

// New returns a registry without agents. Options that make no sense are
// reported by the first Register or Run.
func New(o Options) *Registry {
	r := &Registry{options: o.withDefaults(), newWorker: worker.New, agents: map[string]*supervisor{}}
	if c, err := asChild(); c != nil || err != nil {
		r.become(c, err)
	}
	r.options.Observer.ObserveRegistry(r)
	return r
}

// Register adds an agent. On a registry that runs, the agent is started at
// once, in the background; otherwise Run starts it. Register does not connect
// to anything.
//
// It refuses an agent that [agent.Validate] refuses, a name that is taken, a
// task queue that another agent's worker polls in the same namespace (the two
// workers would take and fail each other's tasks; see [Shared]), worker options
// that panic, and a client configuration that cannot be read.
func (r *Registry) Register(a agent.Agent, opts ...AgentOption) error {
	if err := r.options.validate(); err != nil {
		return err
	}
	err := guard("register an agent", func() error {
		if together, ok := a.(*shared); ok {
			if err := together.validate(); err != nil {
				return err
			}
		}
		return agent.Validate(a)
	})
	if err != nil {
		return err
	}
	s, err := newSupervisor(a, opts, r.options, r.newWorker)
	if err != nil {
		return fmt.Errorf("register agent %q: %w", a.Name(), err)
	}
	if r.childErr != nil {
		return r.childErr
	}
	switch {
	case r.child != nil && s.name != r.child.hello.Agent:
		return nil // it runs in the parent, or in another child
	case r.child == nil && s.settings.processes != nil:
		if s.processes, err = newProcesses(s); err != nil {
			return fmt.Errorf("register agent %q: %w", s.name, err)
		}
	}
	if err := r.add(s); err != nil {
		return err
	}
	if r.child != nil {
		r.child.registered()
	}
	return nil
}

func (r *Registry) add(s *supervisor) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase == phaseStopped {
		return fmt.Errorf("register agent %q: %w: this one has stopped", s.name, ErrNotRunnable)
	}
	if err := r.conflict(s); err != nil {
		return err
	}
	r.agents[s.name] = s
	if r.phase == phaseRunning {
		r.launch(s)
	}
	return nil
}

func (r *Registry) conflict(s *supervisor) error {
	for _, name := range r.names() {
		other := r.agents[name]
		switch {
		case name == s.name && other.removed:
			return &ConflictError{Agent: s.name, Other: name, Reason: "it is being removed, but has not stopped yet"}
		case name == s.name:
			return &ConflictError{Agent: s.name, Other: name, Reason: "the name is taken"}
		case other.queue == s.queue && other.connection.cluster == s.connection.cluster &&
			other.connection.namespace == s.connection.namespace && !other.over:
			return &ConflictError{Agent: s.name, Other: name, Reason: fmt.Sprintf("both poll the task queue %q; registry.Shared runs several agents on one worker", s.queue)}
		}
	}
	return nil
}

// launch runs the supervisor in the background. r.mu is held.
func (r *Registry) launch(s *supervisor) {
	go func() {
		defer close(s.done)
		s.run()
		r.mu.Lock()
		defer r.mu.Unlock()
		s.over = true
		if s.removed {
			delete(r.agents, s.name)
		}
	}()
}

// Remove stops an agent as described in the package comment and forgets it. It
// returns when that is done, with the error of the agent's Stop; when the stop
// timeout has passed, with a [StopError]; or when ctx ends. In the last two
// cases the stop goes on in the background, and the agent stays listed until
// it has ended. An agent that failed for good is just forgotten. An unknown
// name is a [NotFoundError].
func (r *Registry) Remove(ctx context.Context, name string) error {
	r.mu.Lock()
	s, ok := r.agents[name]
	if !ok {
		defer r.mu.Unlock()
		return &NotFoundError{Agent: name, Registered: r.names()}
	}
	s.removed = true
	if s.over || r.phase == phaseNew {
		delete(r.agents, name)
		r.mu.Unlock()
		s.board.enter(StateStopped)
		return nil
	}
	r.mu.Unlock()
	s.stop()
	return s.wait(ctx)
}

// Run starts the registered agents and keeps them running until ctx ends, then
// stops them all at once. It returns nil if every agent stopped as it should,
// else the joined errors: a [StopError] for each agent that did not stop in
// time, the error of an agent's Stop, and the error of each agent that had
// failed for good. A registry runs once.
func (r *Registry) Run(ctx context.Context) error {
	if err := r.options.validate(); err != nil {
		return err
	}
	if r.childErr != nil {
		return r.childErr
	}
	if r.child != nil {
		return r.runChild(ctx)
	}
	if err := r.start(); err != nil {
		return err
	}
	<-ctx.Done()
	return r.stop()
}

// Cut ends a stop that is under way: contexts of activities are cancelled,
// processes killed, and Run returns at once with a [StopError] for each agent
// that had not stopped yet, which names what it ran. Without a stop under way,
// Cut does the same to agents at work.
func (r *Registry) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.agents {
		if !s.over {
			s.cut()
		}
	}
}

func (r *Registry) start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.phase != phaseNew {
		return fmt.Errorf("%w: this one %s", ErrNotRunnable, map[phase]string{phaseRunning: "is running", phaseStopped: "has stopped"}[r.phase])
	}
	r.phase = phaseRunning
	for _, s := range r.agents {
		r.launch(s)
	}
	return nil
}

func (r *Registry) stop() error {
	r.mu.Lock()
	r.phase = phaseStopped
	supervisors := make([]*supervisor, 0, len(r.agents))
	for _, name := range r.names() {
		supervisors = append(supervisors, r.agents[name])
	}
	r.mu.Unlock()

	for _, s := range supervisors {
		s.stop()
	}
	var errs []error
	for _, s := range supervisors {
		errs = append(errs, s.wait(context.Background()))
	}
	return errors.Join(errs...)
}

// Status returns what is known about all agents, sorted by name.
func (r *Registry) Status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Status, 0, len(r.agents))
	for _, name := range r.names() {
		all = append(all, r.agents[name].status())
	}
	return all
}

// AgentStatus returns what is known about one agent. An unknown name is a
// [NotFoundError].
func (r *Registry) AgentStatus(name string) (Status, error) {
	s, err := r.find(name)
	if err != nil {
		return Status{}, err
	}
	return s.status(), nil
}

// WaitReady waits until the named agents, or all that are registered now, are
// ready at the same time. It returns early, with the agent's error, when one of
// them has failed for good, was stopped or is not registered. If ctx ends
// first, the error says what each agent is still missing.
func (r *Registry) WaitReady(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		r.mu.Lock()
		names = r.names()
		r.mu.Unlock()
	}
	for {
		changed, waiting, err := r.unready(names)
		if err != nil || waiting == nil {
			return err
		}
		// Any of them may change, and be the one that fails.
		events := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())}}
		for _, c := range changed {
			events = append(events, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)})
		}
		if which, _, _ := reflect.Select(events); which == 0 {
			return fmt.Errorf("%w: %w", waiting, context.Cause(ctx))
		}
	}
}

// unready returns why agents are not ready, nil if all are, and for each that is
// not a channel that is closed when it changes. err is set where waiting is of no
// use.
func (r *Registry) unready(names []string) (changed []<-chan struct{}, waiting, err error) {
	var reasons []error
	for _, name := range names {
		s, err := r.find(name)
		if err != nil {
			return nil, nil, err
		}
		status, c := s.board.read()
		switch {
		case status.Ready:
			continue
		case status.State == StateFailed:
			return nil, nil, s.outcome
		case status.State == StateStopped, status.State == StateDraining:
			return nil, nil, fmt.Errorf("agent %q is %s", name, status.State)
		}
		changed = append(changed, c)
		reasons = append(reasons, notReady(status))
	}
	return changed, errors.Join(reasons...), nil
}

func notReady(s Status) error {
	what := fmt.Sprintf("agent %q is not ready but %s for %v", s.Agent, s.State, time.Since(s.Since).Round(time.Millisecond))
	if s.Doing != "" {
		what += ": " + s.Doing
	}
	if s.LastError != nil {
		return fmt.Errorf("%s: %w", what, s.LastError)
	}
	return errors.New(what)
}

func (r *Registry) find(name string) (*supervisor, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.agents[name]; ok {
		return s, nil
	}
	return nil, &NotFoundError{Agent: name, Registered: r.names()}
}

// names returns the agents' names, sorted. r.mu is held.
func (r *Registry) names() []string { return slices.Sorted(maps.Keys(r.agents)) }
