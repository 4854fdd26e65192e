package registry

import (
	"context"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
)

const (
	// cancelShare and maxCancelTime say which last part of the stop timeout
	// activities have to react to their cancellation.
	cancelShare   = 5
	maxCancelTime = 5 * time.Second
	// minReleaseTime is what an agent's Stop has at least, even if draining
	// took all the time there was.
	minReleaseTime = 5 * time.Second
	// reportTime is how long a worker that was stopped may take to report
	// the end of its last activity.
	reportTime = 2 * time.Second
)

// drain stops the worker and returns when none of its activities runs any
// more.
func (l *life) drain() {
	l.board.doing("waiting for activities to finish")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if err := guard("stop worker", func() error { l.worker.Stop(); return nil }); err != nil {
			l.log.Warn("Stopping the worker failed", "error", err)
		}
	}()
	defer l.cancelActivities(worker.ErrWorkerShutdown)

	var expired <-chan time.Time
	if timeout, bounded := l.drainTime(); bounded {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-stopped:
		return
	case <-expired:
	case <-l.cutting:
	}
	l.board.doing("waiting for cancelled activities to return")
	if list := l.running.list(); len(list) > 0 {
		l.log.Warn("Cancelling activities", "activities", list)
	}
	l.cancelActivities(worker.ErrWorkerShutdown)

	// A worker may wait for polls that a lost server never answers. With no
	// activity left there is nothing to wait for.
	select {
	case <-stopped:
		return
	case <-l.running.none():
	}
	select {
	case <-stopped:
	case <-time.After(reportTime):
	}
}

// drainTime is how long activities may go on before they are cancelled.
func (l *life) drainTime() (d time.Duration, bounded bool) {
	total := l.stopTimeout()
	if total < 0 {
		return 0, false
	}
	d = total - min(total/cancelShare, maxCancelTime)
	if t, ok := l.deadline(); ok {
		d -= total - time.Until(t)
	}
	return max(d, 0), true
}

// awaitCheck waits for the health check under way, whose time is up: the agent's Stop
// may free what it looks at, and the checks of the next life would run beside it. As
// with activities, who waits for the stop does so until the deadline only.
func (l *life) awaitCheck() {
	if l.checking == nil {
		return
	}
	l.board.doing("waiting for its CheckHealth or Describe to return")
	<-l.checking
	l.checking = nil
}

// stopAgent calls the agent's Stop, if it has one.
func (l *life) stopAgent() error {
	stopper, ok := l.agent.(agent.Stopper)
	if !ok {
		return nil
	}
	l.board.doing("in its Stop")
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if total := l.stopTimeout(); total >= 0 {
		if t, ok := l.deadline(); ok {
			total = time.Until(t)
		}
		ctx, cancel = context.WithTimeout(ctx, max(total, minReleaseTime))
	}
	defer cancel()
	return guard("stop", func() error { return stopper.Stop(ctx) })
}
