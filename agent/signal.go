package agent

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"
)

// Signal defines a message to a running workflow: it may change the workflow's
// state and gets no answer. It is a value without state: make it once with
// [NewSignal], share it freely.
//
// Who sends it finds a wrong value before anything is sent. A workflow finds it
// on receipt, as an error of the class InvalidData beside the message: the
// sender is gone by then, and anybody may send, so a workflow usually logs the
// error and goes on. Fields that T does not have are tolerated there.
type Signal[T any] struct {
	name, description string
}

// NewSignal defines a signal. description is shown in the web UI.
func NewSignal[T any](name, description string) Signal[T] {
	return Signal[T]{name: name, description: description}
}

// Name returns the signal's type name.
func (s Signal[T]) Name() string { return s.name }

// Send sends v to a workflow and returns once the server has it. An empty runID
// means the latest run.
func (s Signal[T]) Send(ctx context.Context, c client.Client, id, runID string, v T) error {
	raw, err := encode(s.what(), v)
	if err != nil {
		return err
	}
	return c.SignalWorkflow(ctx, id, runID, s.name, raw)
}

// SendFrom sends v from one workflow to another and returns at once; the future
// ends when the server has it. An empty runID means the latest run.
func (s Signal[T]) SendFrom(ctx workflow.Context, id, runID string, v T) workflow.Future {
	raw, err := encode(s.what(), v)
	if err != nil {
		return failedFuture[struct{}](ctx, err).Future
	}
	return workflow.SignalExternalWorkflow(ctx, id, runID, s.name, raw)
}

// Receive waits in a workflow for the next message. When ctx is cancelled it
// returns the cancellation as its error.
func (s Signal[T]) Receive(ctx workflow.Context) (T, error) {
	return s.Channel(ctx).Receive(ctx)
}

// Channel returns the messages that came to the workflow and were not received
// yet, in the order of their arrival. Every call returns the same channel.
func (s Signal[T]) Channel(ctx workflow.Context) SignalChannel[T] {
	channel := workflow.GetSignalChannelWithOptions(ctx, s.name, workflow.SignalChannelOptions{Description: s.description})
	return SignalChannel[T]{ReceiveChannel: channel, what: s.what()}
}

func (s Signal[T]) what() string { return "value of the signal " + s.name }

// SignalChannel holds the messages of a [Signal] inside a workflow.
type SignalChannel[T any] struct {
	// ReceiveChannel is the SDK's own, for selectors, whose functions call
	// ReceiveAsync of the SignalChannel.
	workflow.ReceiveChannel
	what string
}

// Receive waits for the next message. When ctx is cancelled it returns the
// cancellation as its error.
func (c SignalChannel[T]) Receive(ctx workflow.Context) (T, error) {
	// The SDK's channels wait on though their context is cancelled.
	if err := workflow.Await(ctx, func() bool { return c.Len() > 0 }); err != nil {
		var none T
		return none, err
	}
	v, _, err := c.ReceiveAsync()
	return v, err
}

// ReceiveWithTimeout waits for the next message for at most d; ok reports
// whether one came.
func (c SignalChannel[T]) ReceiveWithTimeout(ctx workflow.Context, d time.Duration) (v T, ok bool, err error) {
	if ok, err = workflow.AwaitWithTimeout(ctx, d, func() bool { return c.Len() > 0 }); !ok || err != nil {
		return v, false, err
	}
	return c.ReceiveAsync()
}

// ReceiveAsync returns the next message that is there already; ok reports
// whether one was, be it malformed.
func (c SignalChannel[T]) ReceiveAsync() (v T, ok bool, err error) {
	var raw converter.RawValue
	if !c.ReceiveChannel.ReceiveAsync(&raw) {
		return v, false, nil
	}
	v, err = decode[T](c.what, raw, false)
	return v, true, err
}
