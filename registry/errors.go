package registry

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/retry"
)

// ErrNotRunnable is what Run returns on a registry that runs or has run, and
// what Register returns on one that has stopped.
var ErrNotRunnable = errors.New("a registry runs once")

// NotFoundError says that no agent of that name is registered.
type NotFoundError struct {
	Agent string
	// Registered lists the names that there are, sorted.
	Registered []string
}

func (e *NotFoundError) Error() string {
	if len(e.Registered) == 0 {
		return fmt.Sprintf("no agent %q: none is registered", e.Agent)
	}
	return fmt.Sprintf("no agent %q: registered are %s", e.Agent, quote.List(e.Registered))
}

// ConflictError says that an agent cannot be registered beside another one.
type ConflictError struct {
	Agent, Other string
	// Reason tells what both claim.
	Reason string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("agent %q conflicts with the registered agent %q: %s", e.Agent, e.Other, e.Reason)
}

// StopError says what kept an agent from stopping in time.
type StopError struct {
	Agent   string
	Timeout time.Duration
	// Running are the activities that ignored their cancellation.
	Running []RunningActivity
	// Doing is what the supervisor waited for if no activity ran.
	Doing string
	// Cut tells that the stop ended by [Registry.Cut] before its time was up.
	Cut bool
}

func (e *StopError) Error() string { return fmt.Sprintf("agent %q %s", e.Agent, e.what()) }

func (e *StopError) what() string {
	what := fmt.Sprintf("did not stop within %v", e.Timeout)
	if e.Cut {
		what = "was cut while it stopped"
	}
	if len(e.Running) == 0 {
		return fmt.Sprintf("%s: it is %s", what, e.Doing)
	}
	names := make([]string, len(e.Running))
	for i, a := range e.Running {
		names[i] = a.String()
	}
	return fmt.Sprintf("%s: still running: %s", what, strings.Join(names, ", "))
}

// agentError is how an agent ended.
type agentError struct {
	agent string
	// failed tells that it was given up, not stopped.
	failed bool
	err    error
}

func (e *agentError) Error() string {
	if e.failed {
		return fmt.Sprintf("agent %q failed: %v", e.agent, e.err)
	}
	return fmt.Sprintf("agent %q: %v", e.agent, e.err)
}

func (e *agentError) Unwrap() error { return e.err }

// unnamed is the text of how the only agent of a process ended, without the agent's
// name: the parent says whose it is.
func unnamed(err error) string {
	var (
		ended *agentError
		late  *StopError
	)
	switch {
	case errors.As(err, &ended):
		return ended.err.Error()
	case errors.As(err, &late):
		return late.what()
	}
	return err.Error()
}

// PanicError is a panic of an agent's method, caught.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// permanentError marks an error that trying again does not cure.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// permanent reports whether to give an agent up. A class counts only where the
// error names it: a missing file alone may be a volume or a socket that is
// about to appear.
func permanent(err error) bool {
	var (
		marked permanentError
		typed  interface{ ErrorType() string }
		final  interface{ NonRetryable() bool } // Temporal's application error, or one of retry.Final
	)
	switch {
	case errors.As(err, &marked):
		return true
	case errors.As(err, &final):
		return final.NonRetryable()
	case errors.As(err, &typed):
		return retry.Class(typed.ErrorType()).Final()
	}
	return false
}
