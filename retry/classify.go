package retry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// After returns err such that the next attempt starts after delay, whatever
// the policy's interval: what a Retry-After header asks for. Attempts still
// count. A class that err has is kept; nil stays nil.
func After(delay time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &delayed{delay: delay, err: err}
}

type delayed struct {
	delay time.Duration
	err   error
}

func (d *delayed) Error() string { return d.err.Error() }
func (d *delayed) Unwrap() error { return d.err }

// Final returns err such that it is not tried again, whatever the policy says:
// for what no class fits. A class that err has is kept; nil stays nil.
func Final(err error) error {
	if err == nil {
		return nil
	}
	return &final{err}
}

type final struct{ err error }

func (f *final) Error() string      { return f.err.Error() }
func (f *final) Unwrap() error      { return f.err }
func (f *final) NonRetryable() bool { return true }

// Classify turns an ordinary Go error into the Temporal application error that
// carries its class over the border: type name from [ClassOf], non-retryable
// where the class is final or [Final] says so, the delay of [After].
//
// Returned as they are: nil; a cancellation; and an error without class, mark or
// delay, which Temporal retries by the policy. So is an error of Temporal's own, or
// around one, to which nothing of these was added. Where something was, the rest is
// that of the application error inside: its type where no other class was added,
// its being non-retryable, its delay where [After] says none, its category. That an
// error wraps [context.DeadlineExceeded] changes nothing. Of a message above
// [MaxMessageBytes] the middle is left out.
func Classify(err error) error { return classify(err, true) }

// classify is Classify for an error that may be of a cancellation, or cannot be.
func classify(err error, canceled bool) error {
	var (
		d *delayed
		f *final
	)
	if err == nil || errors.Is(err, activity.ErrResultPending) ||
		canceled && (temporal.IsCanceledError(err) || errors.Is(err, context.Canceled)) {
		return err
	}
	marked, timed := errors.As(err, &f), errors.As(err, &d)
	class, classed := declared(err)
	temporals := holdsTemporal(err)
	if temporals && !marked && !timed && !classed {
		return err
	}
	if !classed {
		class, classed = ClassOf(err)
	}
	if !marked && !timed && !classed {
		if message := clip(err.Error()); message != err.Error() {
			return errors.New(message)
		}
		return err
	}
	var opts temporal.ApplicationErrorOptions
	if chain := applications(err); len(chain) > 0 {
		inner := chain[0] // what Temporal would have looked at
		opts.NonRetryable, opts.NextRetryDelay, opts.Category = inner.NonRetryable(), inner.NextRetryDelay(), inner.Category()
	}
	opts.NonRetryable = opts.NonRetryable || marked || class.Final()
	if timed {
		opts.NextRetryDelay = d.delay
	}
	// The message goes into the application error; the cause would only
	// repeat it in histories and logs.
	return temporal.NewApplicationErrorWithOptions(clip(err.Error()), string(class), opts)
}

// MaxMessageBytes bounds the message of an error that [Classify] makes: it goes
// into histories, logs and the web UI, and may quote what a request says.
const MaxMessageBytes = 2048

// clip leaves the middle of a long message out.
func clip(message string) string {
	const head, tail = MaxMessageBytes * 3 / 4, MaxMessageBytes/4 - 40
	if len(message) <= MaxMessageBytes {
		return message
	}
	return strings.ToValidUTF8(message[:head], "") + fmt.Sprintf(" … (%d bytes left out) … ", len(message)-head-tail) +
		strings.ToValidUTF8(message[len(message)-tail:], "")
}

// isTemporal reports whether err itself is an error of Temporal's.
func isTemporal(err error) bool {
	switch err.(type) { //nolint:errorlint // itself is meant
	case *temporal.ApplicationError, *temporal.CanceledError, *temporal.TimeoutError, *temporal.ActivityError,
		*temporal.ChildWorkflowExecutionError, *temporal.PanicError, *temporal.TerminatedError:
		return true
	}
	return false
}

// holdsTemporal reports whether there is an error of Temporal's in the chain.
func holdsTemporal(err error) bool {
	var (
		app       *temporal.ApplicationError
		canceled  *temporal.CanceledError
		timeout   *temporal.TimeoutError
		act       *temporal.ActivityError
		child     *temporal.ChildWorkflowExecutionError
		panicked  *temporal.PanicError
		terminate *temporal.TerminatedError
	)
	return errors.As(err, &app) || errors.As(err, &canceled) || errors.As(err, &timeout) ||
		errors.As(err, &act) || errors.As(err, &child) || errors.As(err, &panicked) || errors.As(err, &terminate)
}
