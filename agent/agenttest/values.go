package agenttest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"go.temporal.io/sdk/temporal"

	"github.com/seed-ab6af24b/troupe/agent"
)

// values are what an agent's methods return.
type values struct {
	Name, TaskQueue       string
	RetryPolicy           *temporal.RetryPolicy
	Workflows, Activities []string
}

func valuesOf(a agent.Agent) values {
	v := values{Name: a.Name(), TaskQueue: a.TaskQueue(), RetryPolicy: a.RetryPolicy()}
	for _, b := range a.Workflows() {
		v.Workflows = append(v.Workflows, b.Name())
	}
	for _, b := range a.Activities() {
		v.Activities = append(v.Activities, b.Name())
	}
	return v
}

// checkValues also is what -race watches.
func checkValues(_ context.Context, newAgent func() agent.Agent) error {
	a := newAgent()
	want := valuesOf(a)
	got := make([]values, 4)
	errs := make([]error, len(got))
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			errs[i] = guard(func() error {
				for range 10 {
					got[i] = valuesOf(a)
				}
				return nil
			})
		})
	}
	wg.Wait()
	for i, v := range got {
		if errs[i] == nil {
			errs[i] = diff("two calls", want, v)
		}
	}
	errs = append(errs, diff("two new agents", want, valuesOf(newAgent())), checkPolicy(want.RetryPolicy))
	return errors.Join(errs...)
}

func diff(who string, a, b values) error {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if x, y := va.Field(i).Interface(), vb.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			return fmt.Errorf("%s: %s differ: %+v and %+v", who, va.Type().Field(i).Name, show(x), show(y))
		}
	}
	return nil
}

// show lets a policy be printed as what it says.
func show(v any) any {
	if p, ok := v.(*temporal.RetryPolicy); ok && p != nil {
		return *p
	}
	return v
}

// checkPolicy finds what the server refuses, which it does when an activity is
// scheduled: every one of them would fail then.
func checkPolicy(p *temporal.RetryPolicy) error {
	switch {
	case p == nil:
		return nil
	case p.InitialInterval < 0:
		return fmt.Errorf("RetryPolicy: InitialInterval = %v is negative", p.InitialInterval)
	case p.BackoffCoefficient != 0 && p.BackoffCoefficient < 1:
		return fmt.Errorf("RetryPolicy: BackoffCoefficient = %v is less than 1", p.BackoffCoefficient)
	case p.MaximumInterval < 0:
		return fmt.Errorf("RetryPolicy: MaximumInterval = %v is negative", p.MaximumInterval)
	case p.MaximumInterval != 0 && p.MaximumInterval < p.InitialInterval:
		return fmt.Errorf("RetryPolicy: MaximumInterval = %v is less than InitialInterval = %v", p.MaximumInterval, p.InitialInterval)
	case p.MaximumAttempts < 0:
		return fmt.Errorf("RetryPolicy: MaximumAttempts = %d is negative", p.MaximumAttempts)
	}
	return nil
}
