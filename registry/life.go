package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
)

// life is one worker's, from dialling the server to closing the client. It is
// lived in the supervisor's goroutine: what hangs in it holds nobody up but
// itself, because stop does not wait for it beyond the deadline.
type life struct {
	*supervisor

	client   client.Client
	worker   worker.Worker
	identity string
	types    []enumspb.TaskQueueType
	// cancelActivities ends the contexts of all activities.
	cancelActivities context.CancelCauseFunc
	// fatal receives the error that ended the worker.
	fatal chan error
	// checking receives the answer of the health check under way, nil without one.
	checking <-chan answer

	// stopErr is the error of the agent's Stop.
	stopErr error
	// readySince is when the agent became ready, zero while it is not.
	readySince time.Time
	// readyFor is how long it was ready before, the last time.
	readyFor time.Duration
	// reported tells that the log says already why the agent is not ready.
	reported bool
	// quietUntil is when that becomes worth a line.
	quietUntil time.Time
}

// live returns the error that ended the life, or stopErr if ctx did.
func (l *life) live(ctx context.Context) (err error) {
	l.board.doing("connecting to " + l.connection.target)
	var closeClient func()
	err = guard("connect to "+l.connection.target, func() (err error) {
		l.client, closeClient, err = l.connection.dial(ctx)
		return err
	})
	if err != nil {
		return l.connection.explain(ctx, err)
	}
	reporting := l.orphans.report(ctx, l.client, l.log)
	defer func() {
		reporting.Wait()
		if err := guard("close client", func() error { closeClient(); return nil }); err != nil {
			l.log.Warn("Closing the client failed", "error", err)
		}
	}()

	defer func() {
		l.awaitCheck()
		l.stopErr = l.stopAgent()
		switch {
		case err == nil:
			err = l.stopErr
		case l.stopErr != nil:
			l.log.Warn("Stopping the agent failed", "error", l.stopErr)
		}
	}()
	if err := l.startAgent(ctx); err != nil {
		return err
	}

	if err := l.buildWorker(); err != nil {
		return permanentError{err}
	}
	defer l.drain()
	l.board.doing("starting its worker")
	if err := guard("start worker", l.worker.Start); err != nil {
		return l.connection.explain(ctx, err)
	}
	return l.watch(ctx)
}

func (l *life) startAgent(ctx context.Context) error {
	starter, ok := l.agent.(agent.Starter)
	if !ok {
		return nil
	}
	l.board.doing("in its Start")
	return guard("start", func() error { return starter.Start(ctx) })
}

func (l *life) buildWorker() error {
	l.fatal = make(chan error, 1)
	var opts worker.Options
	opts, l.cancelActivities = instrument(l.workerOpts, cmp.Or(l.connection.identity, l.name), l.running, func(err error) { l.fatal <- err })
	l.identity, l.types = opts.Identity, polledTypes(opts)
	err := guard("build worker", func() error {
		l.worker = l.newWorker(l.client, l.queue, opts)
		agent.RegisterWorkflows(l.worker, l.agent)
		agent.RegisterActivities(l.worker, l.agent)
		return nil
	})
	if err != nil {
		l.cancelActivities(nil)
		return err
	}
	l.board.write(func(s *Status) { s.Identity, s.Details = l.identity, nil })
	return nil
}

// watch keeps the agent's state true until ctx ends (nil) or the worker fails.
func (l *life) watch(ctx context.Context) error {
	l.board.doing("waiting for the server to list its worker")
	l.quietUntil = time.Now().Add(quietStart)
	checker := newChecker(l)
	delay := firstCheck
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer l.lost()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-l.fatal:
			return fmt.Errorf("worker: %w", err)
		case <-timer.C:
		}
		err := checker.check(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			l.found()
			delay = l.options.CheckInterval
		} else {
			if l.lost() {
				delay = firstCheck
			}
			l.missing(err)
			delay = min(2*delay, l.options.CheckInterval)
		}
		timer.Reset(delay)
	}
}

// found notes that a check went well.
func (l *life) found() {
	if !l.readySince.IsZero() {
		return
	}
	l.readySince, l.reported = time.Now(), false
	if l.board.enter(StateReady) {
		l.log.Info("Agent is ready", "taskQueue", l.queue, "namespace", l.connection.namespace, "identity", l.identity)
	}
}

// lost ends the agent's readiness, if it was ready.
func (l *life) lost() bool {
	if l.readySince.IsZero() {
		return false
	}
	l.readyFor, l.readySince = time.Since(l.readySince), time.Time{}
	if l.board.enter(StateStarting) {
		l.board.doing("waiting to become ready again")
	}
	return true
}

// missing notes why the agent is not ready. The log hears of it once, and
// nobody of the moment that a new worker needs in any case.
func (l *life) missing(err error) {
	quiet := time.Now().Before(l.quietUntil)
	if quiet && errors.As(err, new(*notListedError)) {
		return
	}
	l.board.failed(err)
	if !l.reported && !quiet {
		l.reported = true
		l.log.Warn("Agent is not ready", "error", err)
	}
}
