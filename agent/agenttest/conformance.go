package agenttest

import (
	"context"
	"testing"
	"time"

	"github.com/seed-ab6af24b/troupe/agent"
)

// Conformance checks what holds for every agent, each as a subtest:
//
//   - valid: [agent.Validate] finds nothing.
//   - values: name, queue, policy, workflows and activities are the same from
//     every call, also at once from several goroutines (-race tells of races),
//     from every agent that newAgent returns, and after Start. The server
//     accepts the policy.
//   - registration: a worker, with what ConfigureWorker says, a test
//     environment and a replayer accept all bindings.
//   - types: inputs and results can be encoded as JSON; reading an input from
//     any JSON does not panic, nor does its Validate, which is one that is called.
//   - lifecycle: Start, Stop and CheckHealth return soon, also when their
//     context has ended; Stop may come without Start, twice, and after a Start
//     that failed; Start may come after Stop.
//   - malformed requests: each activity and workflow refuses what is no JSON, is
//     of another type, or is missing, with InvalidDataError, for good;
//     activities refuse unknown fields as well. No request gets so far that
//     the agent's own functions are called.
//   - leaks: no goroutine is left.
//
// newAgent returns a new agent each time, ready to start, and does not depend on
// the test that calls it. Agents that need much, a large model say, are
// configured for the test: Start is called several times.
func Conformance(t *testing.T, newAgent func() agent.Agent) {
	t.Helper()
	// What newAgent and the checks start is told from other tests' goroutines
	// by a label, which goroutines inherit.
	watch(t.Context(), func(ctx context.Context, leaked func(time.Duration) error) {
		for _, c := range checks {
			ok := t.Run(c.name, func(t *testing.T) {
				if err := c.run(ctx, newAgent); err != nil {
					t.Error(err)
				}
			})
			if !ok && c.name == "valid" {
				return // the other checks take it for granted
			}
		}
		t.Run("leaks", func(t *testing.T) {
			if err := leaked(patience); err != nil {
				t.Error(err)
			}
		})
	})
}

// check is a part of the suite.
type check struct {
	name  string
	check func(ctx context.Context, newAgent func() agent.Agent) error
}

func (c check) run(ctx context.Context, newAgent func() agent.Agent) error {
	return guard(func() error { return c.check(ctx, newAgent) })
}

// checks are all parts but for leaks.
var checks = []check{
	{"valid", checkValid},
	{"values", checkValues},
	{"registration", checkRegistration},
	{"types", checkTypes},
	{"lifecycle", checkLifecycle},
	{"malformed requests", checkMalformed},
}

func checkValid(_ context.Context, newAgent func() agent.Agent) error {
	return agent.Validate(newAgent())
}
