package agenttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-ab6af24b/troupe/agent"
)

// startLimit is how long a step of an agent's life may take here, where the
// agent loads something small.
const startLimit = 30 * time.Second

// checkLifecycle leads agents through the lives that a registry may give them.
func checkLifecycle(ctx context.Context, newAgent func() agent.Agent) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	var errs []error
	for _, life := range []string{
		"stop",
		"start, health, stop, stop, start, health, stop",
		"start(ended), stop, start, health, stop",
		"health(any), start, health(ended), stop(ended), stop, health(any)",
	} {
		if err := live(ctx, ended, newAgent(), life); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", life, err))
		}
	}
	return errors.Join(errs...)
}

// live leads the agent through the steps of a life. A step whose context has
// ended may fail, but it must return; (any) allows an error as well.
func live(ctx, ended context.Context, a agent.Agent, life string) error {
	before := valuesOf(a)
	for i, step := range strings.Split(life, ", ") {
		stepCtx, tolerant := ctx, false
		if name, ok := strings.CutSuffix(step, "(ended)"); ok {
			step, stepCtx, tolerant = name, ended, true
		}
		if name, ok := strings.CutSuffix(step, "(any)"); ok {
			step, tolerant = name, true
		}
		var failed error
		err := within(startLimit, func() error {
			failed = do(stepCtx, a, step)
			return nil
		})
		if err == nil && !tolerant {
			err = failed
		}
		if err == nil {
			err = diff("before and after "+step, before, valuesOf(a))
		}
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, step, err)
		}
	}
	return nil
}

func do(ctx context.Context, a agent.Agent, step string) error {
	switch step {
	case "start":
		if s, ok := a.(agent.Starter); ok {
			return s.Start(ctx)
		}
	case "stop":
		if s, ok := a.(agent.Stopper); ok {
			return s.Stop(ctx)
		}
	case "health":
		if h, ok := a.(agent.HealthChecker); ok {
			return h.CheckHealth(ctx)
		}
	}
	return nil
}
