package agenttest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"go.temporal.io/sdk/activity"

	"github.com/seed-ab6af24b/troupe/agent"
)

// Script says what a mocked activity does: the first attempt takes the first
// step, the second one the second, and so on; the last step repeats. Attempts
// of all calls count as they come. A script without steps returns the zero
// value. Make one with [Mock].
//
// The methods that add a step return the script. A script is safe for
// concurrent use.
type Script[In, Out any] struct {
	mu    sync.Mutex
	steps []step[In, Out]
	calls []In
	// changed is closed, and replaced, when an attempt begins.
	changed chan struct{}
}

type step[In, Out any] func(context.Context, In) (Out, error)

// Return adds a step that returns out.
func (s *Script[In, Out]) Return(out Out) *Script[In, Out] {
	return s.Do(func(context.Context, In) (Out, error) { return out, nil })
}

// Fail adds a step that returns err.
func (s *Script[In, Out]) Fail(err error) *Script[In, Out] {
	return s.Do(func(context.Context, In) (out Out, _ error) { return out, err })
}

// Panic adds a step that panics with v.
func (s *Script[In, Out]) Panic(v any) *Script[In, Out] {
	return s.Do(func(context.Context, In) (Out, error) { panic(v) })
}

// Block adds a step that waits until its context ends, and returns why that
// did. It records heartbeats, so that a cancellation reaches it.
func (s *Script[In, Out]) Block() *Script[In, Out] {
	return s.Do(func(ctx context.Context, _ In) (out Out, _ error) {
		if activity.IsActivity(ctx) {
			defer agent.KeepAlive(ctx, func() any { return nil })()
		}
		<-ctx.Done()
		return out, context.Cause(ctx)
	})
}

// Do adds a step that calls f.
func (s *Script[In, Out]) Do(f func(context.Context, In) (Out, error)) *Script[In, Out] {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, f)
	return s
}

// Calls returns the inputs of the attempts so far, in the order in which they
// began. Requests that were refused are no attempts.
func (s *Script[In, Out]) Calls() []In {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Await waits until n attempts have begun, or ctx ends, which is an error.
func (s *Script[In, Out]) Await(ctx context.Context, n int) error {
	for {
		s.mu.Lock()
		began, changed := len(s.calls), s.changed
		s.mu.Unlock()
		if began >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d attempts have begun: %w", began, n, context.Cause(ctx))
		}
	}
}

func (s *Script[In, Out]) run(ctx context.Context, in In) (out Out, err error) {
	s.mu.Lock()
	var do step[In, Out]
	if n := len(s.steps); n > 0 {
		do = s.steps[min(len(s.calls), n-1)]
	}
	s.calls = append(s.calls, in)
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if do == nil {
		return out, nil
	}
	return do(ctx, in)
}
