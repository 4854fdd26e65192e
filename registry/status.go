package registry

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"
)

// Status is what is known about an agent at one moment.
type Status struct {
	Agent     string `json:"agent"`
	TaskQueue string `json:"task_queue"`
	// Namespace is empty where only the client knows it: one that came from
	// Options.Client, Options.Dial or WithClient, without WithNamespace.
	Namespace string `json:"namespace,omitempty"`

	State State `json:"state"`
	// Ready is State == StateReady.
	Ready bool `json:"ready"`
	// Since is when the agent entered its state.
	Since time.Time `json:"since"`
	// Doing says what the agent's supervisor is about, for people.
	Doing string `json:"doing,omitempty"`

	// Restarts counts how often the agent was started again after an error.
	Restarts int `json:"restarts"`
	// LastError is the last thing that went wrong, nil if nothing has. It
	// stays when the agent is ready again. In JSON it is "last_error", a
	// string.
	LastError error `json:"-"`
	// LastErrorAt is when that was, zero if nothing has gone wrong.
	LastErrorAt time.Time `json:"last_error_at,omitzero"`

	// Identity is the worker's, unique per worker: what the server and the
	// web UI list among the pollers. Empty until there is a worker.
	Identity string `json:"identity,omitempty"`
	// Details are what an [agent.Describer] told last. Each of several
	// processes has its own.
	Details map[string]string `json:"details,omitempty"`
	// Workflows and Activities are the type names that the worker serves.
	Workflows  []string `json:"workflows"`
	Activities []string `json:"activities"`
	// Running lists the activities that run in the agent's process, the
	// oldest first; at most 100 of each process where it has its own.
	Running []RunningActivity `json:"running"`
	// Processes are the agent's own processes, none where it runs in this
	// one. The agent is ready when all of them are; Restarts and Running are
	// theirs together, Identity is empty where there are several.
	Processes []ProcessStatus `json:"processes,omitempty"`
}

// MarshalJSON returns the fields in snake case.
func (s Status) MarshalJSON() ([]byte, error) {
	type plain Status
	v := struct {
		plain
		LastError string `json:"last_error,omitempty"`
	}{plain: plain(s)}
	if s.LastError != nil {
		v.LastError = s.LastError.Error()
	}
	return json.Marshal(v)
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
	s.Details = maps.Clone(s.Details)
	s.Running, s.Processes = []RunningActivity{}, slices.Clone(s.Processes)
	return s, b.changed
}

// enter changes the state, if that may follow the present one; a supervisor
// that is about to become ready cannot undo a stop that came first. It reports
// whether the state is now the wanted one by this call.
func (b *board) enter(next State) (entered bool) {
	b.write(func(s *Status) { entered = s.enter(next) })
	return entered
}

func (s *Status) enter(next State) bool {
	if !s.State.mayBecome(next) {
		return false
	}
	s.State, s.Ready, s.Since = next, next == StateReady, time.Now()
	if s.Ready || next.Final() {
		s.Doing = ""
	}
	return true
}

// write changes the status.
func (b *board) write(change func(*Status)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.status)
	close(b.changed)
	b.changed = make(chan struct{})
}

// describe keeps what the agent told. Who waits for changes is not disturbed by
// a description that is as before.
func (b *board) describe(details map[string]string) {
	if s, _ := b.read(); !maps.Equal(s.Details, details) {
		details = maps.Clone(details)
		b.write(func(s *Status) { s.Details = details })
	}
}

func (b *board) doing(what string) { b.write(func(s *Status) { s.Doing = what }) }

func (b *board) failed(err error) {
	b.write(func(s *Status) { s.LastError, s.LastErrorAt = err, time.Now() })
}
