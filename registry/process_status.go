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
	// LastError is the last thing that went wrong, in the process or with it,
	// LastErrorAt when that was.
	LastError   error             `json:"-"`
	LastErrorAt time.Time         `json:"last_error_at,omitzero"`
	Identity    string            `json:"identity,omitempty"`
	Details     map[string]string `json:"details,omitempty"`
	Running     []RunningActivity `json:"running"`
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

// reportedStatus is a status on its way from a child to its parent.
type reportedStatus struct {
	plainStatus
	LastError string `json:"last_error,omitempty"`
	// Tokens and IDs are those of the activities that run, in the same order.
	Tokens [][]byte `json:"tokens,omitempty"`
	IDs    []uint64 `json:"ids,omitempty"`
}

type plainStatus Status

func encodeStatus(s Status) (json.RawMessage, error) {
	s.Running = s.Running[:min(len(s.Running), maxReported)]
	r := reportedStatus{plainStatus: plainStatus(s)}
	if s.LastError != nil {
		r.LastError = s.LastError.Error()
	}
	for _, a := range s.Running {
		r.Tokens, r.IDs = append(r.Tokens, a.token), append(r.IDs, a.id)
	}
	return json.Marshal(r)
}

// decodeStatus reads a child's report. What a child must not decide is checked
// by who uses it.
func decodeStatus(raw json.RawMessage) (Status, error) {
	var r reportedStatus
	if err := json.Unmarshal(raw, &r); err != nil {
		return Status{}, err
	}
	s := Status(r.plainStatus)
	if _, known := nextStates[s.State]; !known && !s.State.Final() {
		return Status{}, errors.New("there is no state " + string(s.State))
	}
	s.Ready = s.State == StateReady
	if r.LastError != "" {
		s.LastError = errors.New(r.LastError)
	}
	s.Running = s.Running[:min(len(s.Running), maxReported)]
	for i := range s.Running[:min(len(s.Running), len(r.Tokens))] {
		s.Running[i].token = r.Tokens[i]
	}
	for i := range s.Running[:min(len(s.Running), len(r.IDs))] {
		s.Running[i].id = r.IDs[i]
	}
	return s, nil
}

// reportedActivity is an activity that begins.
type reportedActivity struct {
	RunningActivity
	Token []byte `json:"token,omitempty"`
	ID    uint64 `json:"id,omitempty"`
}

func encodeActivity(a RunningActivity) json.RawMessage {
	raw, err := json.Marshal(reportedActivity{a, a.token, a.id})
	if err != nil {
		return nil // it has no field that cannot be encoded
	}
	return raw
}

func decodeActivity(raw json.RawMessage) (RunningActivity, error) {
	var r reportedActivity
	if err := json.Unmarshal(raw, &r); err != nil {
		return RunningActivity{}, err
	}
	r.token, r.id = r.Token, r.ID
	return r.RunningActivity, nil
}
