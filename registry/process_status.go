package registry

import (
	"encoding/json"
	"errors"
	"time"
)

// ProcessStatus is what is known about one process of an agent that runs in
// processes of its own.
type ProcessStatus struct {
	// Instance is the process's number among those of the agent, from 0.
	Instance int    `json:"instance"`
	Device   string `json:"device,omitempty"`
	// PID is 0 while there is no process.
	PID   int       `json:"pid,omitempty"`
	State State     `json:"state"`
	Since time.Time `json:"since"`
	Doing string    `json:"doing,omitempty"`
	// Restarts counts new processes and new workers in them.
	Restarts int `json:"restarts"`
	// LastError is the last thing that went wrong, in the process or with it.
	LastError error             `json:"-"`
	Identity  string            `json:"identity,omitempty"`
	Running   []RunningActivity `json:"running"`
	// ResidentBytes is the memory in use; 0 where the system does not tell.
	ResidentBytes int64 `json:"resident_bytes,omitempty"`
	// MemoryLimit says what keeps the limit: cgroup, rlimit or job; empty if
	// nothing does.
	MemoryLimit string `json:"memory_limit,omitempty"`
	// LastWords are those of the process before, nil if there was none.
	LastWords *ProcessError `json:"last_words,omitempty"`
}

// MarshalJSON returns the fields in snake case.
func (s ProcessStatus) MarshalJSON() ([]byte, error) {
	type plain ProcessStatus
	v := struct {
		plain
		LastError string `json:"last_error,omitempty"`
	}{plain: plain(s)}
	if s.LastError != nil {
		v.LastError = s.LastError.Error()
	}
	return json.Marshal(v)
}

// maxReported bounds the activities that a child reports.
const maxReported = 100

// encodeStatus is what a child reports.
func encodeStatus(s Status) (json.RawMessage, error) {
	s.Running = s.Running[:min(len(s.Running), maxReported)]
	return json.Marshal(s)
}

// decodeStatus reads a child's report. What a child must not decide is checked
// by who uses it.
func decodeStatus(raw json.RawMessage) (Status, error) {
	type plain Status
	var v struct {
		plain
		LastError string `json:"last_error"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return Status{}, err
	}
	s := Status(v.plain)
	if _, known := nextStates[s.State]; !known && !s.State.Final() {
		return Status{}, errors.New("there is no state " + string(s.State))
	}
	s.Ready = s.State == StateReady
	if v.LastError != "" {
		s.LastError = errors.New(v.LastError)
	}
	s.Running = s.Running[:min(len(s.Running), maxReported)]
	return s, nil
}
