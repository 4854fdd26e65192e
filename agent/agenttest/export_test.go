package agenttest

import (
	"context"
	"time"

	"github.com/seed-ab6af24b/troupe/agent"
)

// What the tests of Replay and Conformance look at without failing themselves.
var (
	Histories  = histories
	ReplayFile = replay
	Refused    = refused
)

// Check runs one part of the suite.
func Check(ctx context.Context, name string, newAgent func() agent.Agent) error {
	for _, c := range checks {
		if c.name == name {
			return c.run(ctx, newAgent)
		}
	}
	panic("no such check: " + name)
}

// Leaks returns what is left running of f after a moment.
func Leaks(ctx context.Context, f func(context.Context)) (err error) {
	watch(ctx, func(ctx context.Context, leaked func(time.Duration) error) {
		f(ctx)
		err = leaked(50 * time.Millisecond)
	})
	return err
}
