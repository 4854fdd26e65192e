package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
)

// newWorkerFunc is worker.New, or what stands for it in a test.
type newWorkerFunc func(client.Client, string, worker.Options) worker.Worker

// supervisor keeps one agent running: it lives one life after the other, each
// with a client and a worker of its own, until it is told to stop.
type supervisor struct {
	agent      agent.Agent
	name       string
	queue      string
	settings   settings
	connection connection
	options    Options
	newWorker  newWorkerFunc
	workerOpts worker.Options
	log        *slog.Logger

	board   *board
	running *running
	// processes is nil for an agent that runs in this process.
	processes *processes
	// orphans are the activities of a process before this one.
	orphans *orphans

	// removed and over belong to the registry, under its lock.
	removed, over bool

	stopOnce sync.Once
	// stopping ends when the agent is to stop; its cause is errStop.
	stopping context.Context //nolint:containedctx // it is the supervisor's own, and no request's
	cancel   context.CancelCauseFunc
	// stopBy is when the stop must be over, zero for never, and allowed how
	// long it may take, 0 for what the options say. They are set before
	// stopping ends.
	stopBy  time.Time
	allowed time.Duration
	// cutting is closed when the stop is to end at once.
	cutOnce sync.Once
	cutting chan struct{}
	// late is closed, with stopError set, when the deadline has passed.
	late      chan struct{}
	stopError error
	// done is closed, with outcome set, when nothing of the agent is left.
	done    chan struct{}
	outcome error
}

var errStop = errors.New("the agent is being stopped")

func newSupervisor(a agent.Agent, opts []AgentOption, o Options, newWorker newWorkerFunc) (*supervisor, error) {
	s := &supervisor{
		agent: a, name: a.Name(), queue: a.TaskQueue(),
		options: o, newWorker: newWorker,
		running: newRunning(),
		cutting: make(chan struct{}),
		late:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	for _, set := range opts {
		set(&s.settings)
	}
	s.stopping, s.cancel = context.WithCancelCause(context.Background())
	s.log = o.Logger.With("agent", s.name)

	var err error
	if s.connection, err = connect(o, s.settings, s.name, s.log); err != nil {
		return nil, err
	}
	if s.workerOpts, err = baseWorkerOptions(a, s.settings); err != nil {
		return nil, err
	}
	s.workerOpts.Interceptors = append(o.Observer.ObserveWorker(s.name), s.workerOpts.Interceptors...)
	s.board = newBoard(Status{
		Agent: s.name, TaskQueue: s.queue, Namespace: s.connection.namespace,
		Workflows: names(a.Workflows()), Activities: names(a.Activities()),
	})
	return s, nil
}

func names(bindings []agent.Binding) []string {
	list := make([]string, len(bindings))
	for i, b := range bindings {
		list[i] = b.Name()
	}
	return list
}

func (s *supervisor) status() Status {
	status, _ := s.board.read()
	if s.processes != nil {
		status.Processes, status.Running = s.processes.lists()
	} else {
		status.Running = s.running.list()
	}
	return status
}

// run lives until the agent is stopped or given up.
func (s *supervisor) run() {
	defer s.cancel(errStop)
	if s.processes != nil {
		s.processes.run()
		return
	}
	failures := 0
	for s.stopping.Err() == nil {
		s.board.enter(StateStarting)
		life := &life{supervisor: s}
		err := life.live(s.stopping)
		if s.stopping.Err() != nil {
			s.end(life.stopErr)
			return
		}
		s.logFailure(err)
		s.board.failed(err)
		if permanent(err) {
			s.outcome = &agentError{agent: s.name, failed: true, err: err}
			s.board.enter(StateFailed)
			s.log.Error("Agent failed for good", "error", err)
			return
		}
		if life.readyFor > s.options.BackOff.Max {
			failures = 0
		}
		failures++
		s.pause(s.options.BackOff.delay(failures))
	}
	s.end(nil)
}

// pause waits before the next life.
func (s *supervisor) pause(delay time.Duration) {
	delay = delay.Round(time.Millisecond)
	s.board.enter(StateStarting)
	s.board.doing(fmt.Sprintf("waiting %v before it starts again", delay))
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		s.board.write(func(st *Status) { st.Restarts++ })
	case <-s.stopping.Done():
	}
}

// end enters the state that follows Draining.
func (s *supervisor) end(err error) {
	if err == nil {
		s.board.enter(StateStopped)
		s.log.Info("Agent stopped")
		return
	}
	s.outcome = &agentError{agent: s.name, err: err}
	s.board.failed(err)
	s.board.enter(StateFailed)
	s.log.Error("Agent stopped with an error", "error", err)
}

// stop asks the agent to stop, and makes sure that nobody waits for longer
// than the stop timeout, whatever the agent does.
func (s *supervisor) stop() { s.stopWithin(0) }

// stopWithin is stop with another timeout than the options', unless it is 0.
func (s *supervisor) stopWithin(allowed time.Duration) {
	s.stopOnce.Do(func() {
		timeout := cmp.Or(allowed, s.stopTimeout())
		if s.board.enter(StateDraining) {
			s.log.Info("Stopping agent", "timeout", timeout)
		}
		if timeout >= 0 {
			s.stopBy = time.Now().Add(timeout)
		}
		s.allowed = timeout
		go s.hurry(timeout)
		s.cancel(errStop)
	})
}

// cut ends the stop at once, and begins it if need be.
func (s *supervisor) cut() {
	s.cutOnce.Do(func() { close(s.cutting) })
	s.stop()
}

// deadline is when the agent must have stopped; ok is false while nothing
// asked it to stop, or where it may take its time.
func (s *supervisor) deadline() (t time.Time, ok bool) {
	if s.stopping.Err() == nil {
		return time.Time{}, false
	}
	return s.stopBy, !s.stopBy.IsZero()
}

// hurry reports a stop that takes longer than the timeout, if that is not
// negative, or is cut.
func (s *supervisor) hurry(timeout time.Duration) {
	var expired <-chan time.Time
	if timeout >= 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	cut := false
	select {
	case <-s.done:
		return
	case <-expired:
	case <-s.cutting:
		cut = true
	}
	status := s.status()
	s.stopError = &StopError{Agent: s.name, Timeout: timeout, Running: status.Running, Doing: status.Doing, Cut: cut}
	s.board.failed(s.stopError)
	message := "Agent did not stop in time"
	if cut {
		message = "Agent was cut while it stopped"
	}
	s.log.Error(message, "error", s.stopError)
	close(s.late)
}

func (s *supervisor) stopTimeout() time.Duration {
	if s.stopping.Err() != nil && s.allowed != 0 {
		return s.allowed
	}
	for _, d := range []time.Duration{s.settings.stopTimeout, s.workerOpts.WorkerStopTimeout} {
		if d != 0 {
			return d
		}
	}
	return s.options.StopTimeout
}

// wait returns how the stop went, once that is known.
func (s *supervisor) wait(ctx context.Context) error {
	select {
	case <-s.done:
		return s.outcome
	default:
	}
	select {
	case <-s.done:
		return s.outcome
	case <-s.late:
		if s.processes != nil {
			s.processes.awaitKilled(ctx)
		}
		return s.stopError
	case <-ctx.Done():
		return fmt.Errorf("agent %q is still stopping: %w", s.name, context.Cause(ctx))
	}
}

func (s *supervisor) logFailure(err error) {
	attrs := []any{"error", err}
	var p *PanicError
	if errors.As(err, &p) {
		attrs = append(attrs, "stack", string(p.Stack))
	}
	s.log.Warn("Agent is not running", attrs...)
}
