package registry

import (
	"slices"
	"sync"
	"time"
)

// Status is what is known about an agent at one moment.
type Status struct {
	Agent     string
	TaskQueue string
	// Namespace is empty where only the client knows it: one that came from
	// Options.Client, Options.Dial or WithClient, without WithNamespace.
	Namespace string

	State State
	// Ready is State == StateReady.
	Ready bool
	// Since is when the agent entered its state.
	Since time.Time
	// Doing says what the agent's supervisor is about, for people.
	Doing string

	// Restarts counts how often the agent was started again after an error.
	Restarts int
	// LastError is the last thing that went wrong, nil if nothing has. It
	// stays when the agent is ready again.
	LastError error

	// Identity is the worker's, unique per worker: what the server and the
	// web UI list among the pollers. Empty until there is a worker.
	Identity string
	// Workflows and Activities are the type names that the worker serves.
	Workflows, Activities []string
	// Running lists the activities that run in this process, the oldest
	// first.
	Running []RunningActivity
}

// board holds the status of one agent. Its supervisor writes it, anyone reads
// it.
type board struct {
	mu      sync.Mutex
	status  Status
	changed chan struct{} // closed and replaced at every change
}

func newBoard(s Status) *board {
	s.State, s.Since = StateNew, time.Now()
	return &board{status: s, changed: make(chan struct{})}
}

// read returns the status and a channel that is closed when it changes.
func (b *board) read() (Status, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.status
	s.Workflows, s.Activities = slices.Clone(s.Workflows), slices.Clone(s.Activities)
	return s, b.changed
}

// enter changes the state, if that may follow the present one; a supervisor
// that is about to become ready cannot undo a stop that came first. It reports
// whether the state is now the wanted one by this call.
func (b *board) enter(next State) bool {
	entered := false
	b.write(func(s *Status) {
		if !s.State.mayBecome(next) {
			return
		}
		s.State, s.Ready, s.Since = next, next == StateReady, time.Now()
		if s.Ready || next.Final() {
			s.Doing = ""
		}
		entered = true
	})
	return entered
}

// write changes the status.
func (b *board) write(change func(*Status)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.status)
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *board) doing(what string) { b.write(func(s *Status) { s.Doing = what }) }

func (b *board) failed(err error) { b.write(func(s *Status) { s.LastError = err }) }
