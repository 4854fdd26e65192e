package retry

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"go.temporal.io/sdk/temporal"
)

// Class is the type name of an error as it crosses process and language
// borders. Its text is part of the public contract and never changes.
type Class string

// The classes that Troupe's agents use. An agent may add its own, whose errors
// are retried unless [Final] marks them or the policy names them.
const (
	// InvalidData: the request or the data in it is wrong. Final.
	InvalidData Class = "InvalidDataError"
	// ModelNotFound: the request names a model that is not there. Final.
	ModelNotFound Class = "ModelNotFoundError"
	// FileNotFound: a file that the request names is not there. Final.
	FileNotFound Class = "FileNotFoundError"
	// Authentication: a service refused the credentials. Final.
	Authentication Class = "AuthenticationError"
	// OutOfMemory: the work did not fit into memory. Retried; an activity
	// that can tries again with a smaller batch before it returns this.
	OutOfMemory Class = "OutOfMemoryError"
	// RateLimited: a service asks for patience. Retried.
	RateLimited Class = "RateLimitedError"
)

// Final reports whether errors of the class are never retried, whatever the
// caller's retry policy says.
func (c Class) Final() bool {
	switch c {
	case InvalidData, ModelNotFound, FileNotFound, Authentication:
		return true
	default:
		return false
	}
}

// Errorf returns an error of the class; format and args are those of
// [fmt.Errorf], %w included.
func (c Class) Errorf(format string, args ...any) error {
	return &Error{Class: c, Err: fmt.Errorf(format, args...)}
}

// Wrap returns err as an error of the class, or nil for nil. An error that has
// a class already keeps it.
func (c Class) Wrap(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := ClassOf(err); ok {
		return err
	}
	return &Error{Class: c, Err: err}
}

// Error is an error with a class. Its text is that of Err alone.
type Error struct {
	Class Class
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ErrorType returns the class's name. Any error type with this method, in any
// package, is classed by it: a package that should not import retry declares
// its class so.
func (e *Error) ErrorType() string { return string(e.Class) }

// ClassOf returns the class of err: what an error around Temporal's own ones says
// of itself by a method `ErrorType() string`, else the innermost Temporal
// application error's type, else what any error in the chain says of itself, else
// FileNotFound for [fs.ErrNotExist] and OutOfMemory for [syscall.ENOMEM] and what
// Windows says in its place. It works on both sides of the border: on an activity's
// plain error and on what a client gets from a workflow's result.
func ClassOf(err error) (Class, bool) {
	if class, ok := declared(err); ok {
		return class, true
	}
	if app := innermost(err); app != nil {
		return Class(app.Type()), !unnamed[app.Type()]
	}
	var typed interface{ ErrorType() string }
	switch {
	case errors.As(err, &typed):
		return Class(typed.ErrorType()), true
	case errors.Is(err, fs.ErrNotExist):
		return FileNotFound, true
	case slices.ContainsFunc(outOfMemory, func(e error) bool { return errors.Is(err, e) }):
		return OutOfMemory, true
	}
	return "", false
}

// declared returns the class that err names outside of Temporal's own errors: what
// lies inside of one has been through a border, or was left to it.
func declared(err error) (Class, bool) {
	if err == nil || isTemporal(err) {
		return "", false
	}
	if typed, ok := err.(interface{ ErrorType() string }); ok {
		return Class(typed.ErrorType()), true
	}
	switch e := err.(type) { //nolint:errorlint // likewise
	case interface{ Unwrap() error }:
		return declared(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			if class, ok := declared(part); ok {
				return class, true
			}
		}
	}
	return "", false
}

// unnamed lists the type names that the Go SDK derives from the standard
// library's own error types: they say nothing about the error.
var unnamed = map[string]bool{
	"": true, "errorString": true, "wrapError": true, "wrapErrors": true, "joinError": true,
	"Errno": true, "PathError": true, "LinkError": true, "SyscallError": true, "OpError": true,
}

// applications returns the application errors of err, the outermost first.
func applications(err error) (chain []*temporal.ApplicationError) {
	var app *temporal.ApplicationError
	for errors.As(err, &app) {
		chain, err = append(chain, app), app.Unwrap()
	}
	return chain
}

// innermost returns the application error that has no further one as its
// cause, or nil.
func innermost(err error) *temporal.ApplicationError {
	chain := applications(err)
	if len(chain) == 0 {
		return nil
	}
	return chain[len(chain)-1]
}

// Message returns the text of err without the wrapping that Temporal adds on
// the way to a client: the innermost application error's message, else
// err.Error(). The SDK makes an application error of each Go error that wraps
// another: of those without a class it is the outermost's, which has the others'.
func Message(err error) string {
	chain := applications(err)
	last := len(chain) - 1
	if last < 0 {
		return err.Error()
	}
	for last > 0 && unnamed[chain[last].Type()] && unnamed[chain[last-1].Type()] {
		if chain[last-1].Unwrap() != error(chain[last]) { //nolint:errorlint // an activity or a workflow lies between them
			break
		}
		last--
	}
	return chain[last].Message()
}
