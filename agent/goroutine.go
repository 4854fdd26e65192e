package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Go runs f in a goroutine that belongs to the activity of ctx. The activity
// waits for it before it ends. An error or a panic of f cancels ctx and becomes
// the activity's error, unless the activity's own function already failed for
// another reason; the Go SDK by itself lets such a panic end the process, and
// with it every other agent in it.
//
// ctx must come from an activity bound with [Activity.To]. Elsewhere Go runs f
// in the calling goroutine, and panics if f fails, so that no error is lost.
func Go(ctx context.Context, f func(ctx context.Context) error) {
	g, ok := ctx.Value(groupKey{}).(*group)
	if !ok {
		if err := f(ctx); err != nil {
			panic(fmt.Sprintf("agent.Go outside of an activity: %v", err))
		}
		return
	}
	g.wg.Go(func() {
		if err := guarded(ctx, f); err != nil {
			g.fail(err)
		}
	})
}

type groupKey struct{}

// group is the set of goroutines of one activity execution.
type group struct {
	wg     sync.WaitGroup
	cancel context.CancelCauseFunc
	failed atomic.Pointer[failure] // the first one
}

// failure is the first error of a group's goroutines. As a pointer it can be
// compared with the cause of a context's end, whatever error it holds.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

func (g *group) fail(err error) {
	if first := (&failure{err}); g.failed.CompareAndSwap(nil, first) {
		g.cancel(first)
	}
}

func guarded(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a goroutine of the activity: %v\n%s", r, debug.Stack())
		}
	}()
	return f(ctx)
}

// withGroup runs f with a context that [Go] can use, waits for the goroutines,
// and returns the first error: that of a goroutine where f has none, or where
// f failed because the goroutine did. A panic of f passes through, for the SDK
// to turn into the activity's error, once the goroutines have ended.
func withGroup[Out any](ctx context.Context, f func(context.Context) (Out, error)) (out Out, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	g := &group{cancel: cancel}
	returned := false
	defer func() {
		if !returned || err != nil {
			cancel(err)
		}
		g.wg.Wait()
		if failed := g.failed.Load(); returned && failed != nil && (err == nil || errors.Is(context.Cause(ctx), failed)) {
			err = failed.error
		}
		cancel(nil)
	}()
	out, err = f(context.WithValue(ctx, groupKey{}, g))
	returned = true
	return out, err
}
