package agent

import (
	"context"
	"crypto/rand"
	"fmt"

	"go.temporal.io/sdk/client"
)

// ActivityStartOption changes the SDK's options of an activity that a client
// starts. Any function of this shape will do.
type ActivityStartOption func(*client.StartActivityOptions)

// WithActivityID sets the activity's id. Without it one is made up. An id that
// an activity has, or had, is refused or reused as ActivityIDConflictPolicy and
// ActivityIDReusePolicy of the options say.
func WithActivityID(id string) ActivityStartOption {
	return func(o *client.StartActivityOptions) { o.ID = id }
}

// Start starts the activity without a workflow, and returns without waiting for
// it: one step, retried by the definition's policy, needs no workflow around it.
// An input that is refused (see the package comment) is an error before anything
// is sent. The server must know standalone activities.
func (a Activity[In, Out]) Start(ctx context.Context, c client.Client, in In, options ...ActivityStartOption) (ActivityRun[Out], error) {
	raw, err := encode(a.what("input"), in)
	if err != nil {
		return ActivityRun[Out]{}, err
	}
	usual := a.optionsOn(a.domain.TaskQueue, nil)
	o := client.StartActivityOptions{
		TaskQueue:              usual.TaskQueue,
		ScheduleToCloseTimeout: usual.ScheduleToCloseTimeout,
		ScheduleToStartTimeout: usual.ScheduleToStartTimeout,
		StartToCloseTimeout:    usual.StartToCloseTimeout,
		HeartbeatTimeout:       usual.HeartbeatTimeout,
		RetryPolicy:            usual.RetryPolicy,
		Summary:                usual.Summary,
		Priority:               usual.Priority,
	}
	for _, set := range options {
		set(&o)
	}
	if o.ID == "" {
		o.ID = a.name + "-" + rand.Text()
	}
	handle, err := c.ExecuteActivity(ctx, o, a.name, raw)
	if err != nil {
		return ActivityRun[Out]{}, fmt.Errorf("start activity %s: %w", a.name, err)
	}
	return ActivityRun[Out]{handle}, nil
}

// Get returns the run of an activity that a client started before, here or
// elsewhere. An empty runID means the latest run of the id. Nothing is asked of
// the server yet.
func (a Activity[In, Out]) Get(c client.Client, id, runID string) ActivityRun[Out] {
	return ActivityRun[Out]{c.GetActivityHandle(client.GetActivityHandleOptions{ActivityID: id, RunID: runID})}
}

// ActivityRun is one execution of an activity that a client started. It is safe
// for concurrent use.
type ActivityRun[Out any] struct {
	// ActivityHandle is the SDK's own, to describe, cancel, terminate and
	// pause.
	client.ActivityHandle
}

// Get waits for the result. A failed activity's error has the class of its cause
// (retry.ClassOf).
func (r ActivityRun[Out]) Get(ctx context.Context) (Out, error) {
	var out Out
	err := r.ActivityHandle.Get(ctx, &out)
	return out, err
}

// ID returns the activity's id.
func (r ActivityRun[Out]) ID() string { return r.GetID() }

// RunID returns the id of the run, empty when it means the latest.
func (r ActivityRun[Out]) RunID() string { return r.GetRunID() }
