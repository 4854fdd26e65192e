package telemetry

import (
	"context"
	"errors"
	"sync"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/seed-ab6af24b/troupe/retry"
)

type outcome string

const (
	ok       outcome = "ok"
	failed   outcome = "failed"
	canceled outcome = "canceled"
	pending  outcome = "pending"
)

// Classes of failures beside those of package retry.
const (
	classTimeout = "timeout"
	classPanic   = "panic"
	classOther   = "other"
)

// result is how an execution ended; class is empty unless it failed.
type result struct {
	outcome outcome
	class   string
}

// resultOf says how an execution whose context is ctx ended with err. As for
// the server, an error of cancellation is one only if the activity was
// cancelled.
func resultOf(ctx context.Context, err error) result {
	var panicked *temporal.PanicError
	switch {
	case err == nil:
		return result{ok, ""}
	case errors.Is(err, activity.ErrResultPending):
		return result{pending, ""}
	case errors.Is(ctx.Err(), context.Canceled) && (errors.Is(err, context.Canceled) || temporal.IsCanceledError(err)):
		return result{canceled, ""}
	case errors.As(err, &panicked):
		return result{failed, classPanic}
	}
	if class, ok := retry.ClassOf(err); ok {
		return result{failed, string(class)}
	}
	if errors.Is(err, context.DeadlineExceeded) || temporal.IsTimeoutError(err) {
		return result{failed, classTimeout}
	}
	return result{failed, classOther}
}

const (
	maxClasses     = 64
	maxClassLength = 100
)

// classes keeps the number of different labels finite: a class is any string
// that an activity's error type comes up with.
type classes struct {
	mu   sync.Mutex
	seen map[string]bool
}

// bounded returns class, or classOther where that would be one too many.
func (c *classes) bounded(class string) string {
	if class == "" || class == classOther {
		return class
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.seen[class]:
		return class
	case len(c.seen) >= maxClasses || len(class) > maxClassLength:
		return classOther
	case c.seen == nil:
		c.seen = map[string]bool{}
	}
	c.seen[class] = true
	return class
}
