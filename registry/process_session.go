package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

const (
	// pingInterval is how often a process is asked for a sign of life.
	pingInterval = time.Second
	// restTimeout bounds the wait for what a dead process had sent.
	restTimeout = time.Second
)

// session is the life of one process, seen from its parent.
type session struct {
	*childProcess
	child    *process.Child
	end      func() // ends the child at once
	messages chan process.Message
	broken   chan error // why there are no more messages

	// telling is true until the process has read the hello, which may never be.
	telling bool
	told    chan error
	greeted bool
	// ping is the number of the last one; unanswered tells that there is no
	// pong yet, and missed how many intervals ago it should have come.
	ping       int64
	unanswered bool
	missed     int

	bye *process.Message
	// reason is why the process was ended, empty if nobody ended it; fault
	// is set besides where another process would be no better.
	reason string
	fault  error

	readySince time.Time
	// readyFor is how long the agent was ready in this process, the last time.
	readyFor time.Duration
	// restarts counts those before this process.
	restarts int

	// reported is the last error that the process reported, by its text and time.
	reported struct {
		text string
		at   time.Time
	}

	// overdue counts the ping intervals in which activities went on after their
	// context had ended. They are counted as those without an answer are: the
	// times in a report are those of a clock that may have been set since.
	overdue map[activityKey]int

	// gathering receives the metrics that were asked for, nil if none were.
	gatherMu  sync.Mutex
	gathering chan []byte
	gatherID  int64
	// gatherSince is when that was, and gatherError the last thing that went
	// wrong with it, empty since it went well again.
	gatherSince time.Time
	gatherError string
}

// live starts a process and returns when it is gone: nil if that was asked for
// and nothing went wrong.
func (s *session) live(ctx context.Context) error {
	s.change(s.childProcess, func(st *ProcessStatus) {
		st.State, st.Doing = StateStarting, "starting its process"
		s.restarts = st.Restarts
	})
	spec, err := s.opts.spec()
	if err == nil {
		s.child, err = process.Start(spec)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // nobody asks for it any more
	case err != nil:
		return err
	}
	s.end = s.child.Kill
	s.messages, s.broken = make(chan process.Message), make(chan error, 1)
	gone := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { s.read(gone) })
	s.attach(s)
	defer func() {
		s.attach(nil)
		close(gone)
		_ = s.child.Close()
		reading.Wait()
	}()
	s.change(s.childProcess, func(st *ProcessStatus) {
		st.PID, st.MemoryLimit, st.Doing = s.child.PID, s.child.Limit, "waiting for its process to introduce itself"
	})
	hello := process.Hello{
		Protocol: process.Version, Module: version(),
		Agent: s.name, TaskQueue: s.queue, Namespace: s.connection.namespace, Target: s.connection.target,
		Instance: s.instance, Device: s.opts.Device, Nice: s.opts.Nice, Idle: s.opts.Idle,
		Orphans: slices.Clone(s.orphans), Cause: s.cause,
	}
	if s.child.Limit == "rlimit" {
		hello.Memory = s.opts.MemoryLimit
	}
	// A pipe may have less room than the hello takes, and the process may not read.
	s.telling, s.told = true, make(chan error, 1)
	reading.Go(func() { s.told <- s.child.Send(process.Message{Type: process.TypeHello, Hello: &hello}) })
	s.watch(ctx)
	return s.epitaph(ctx, spec.Env)
}

// attach makes the session, or none, the one to ask for metrics.
func (s *session) attach(current *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = current
}

func (s *session) read(gone <-chan struct{}) {
	for {
		m, err := s.child.Receive()
		if err != nil {
			s.broken <- err
			return
		}
		select {
		case s.messages <- m:
		case <-gone:
			return
		}
	}
}

// watch returns when the process is gone.
func (s *session) watch(ctx context.Context) {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	var greeting <-chan time.Time
	if s.opts.StartTimeout >= 0 {
		timer := time.NewTimer(s.opts.StartTimeout)
		defer timer.Stop()
		greeting = timer.C
	}
	stopping, late, broken := ctx.Done(), s.late, s.broken
	var leaving <-chan time.Time
	for {
		select {
		case <-s.child.Exited():
			if broken != nil {
				s.rest()
			}
			return
		case m := <-s.messages:
			s.take(m)
			if s.bye != nil && leaving == nil {
				leaving = s.timeToExit(ctx)
			}
		case err := <-broken:
			broken = nil
			s.lostConnection(err)
			if leaving == nil {
				leaving = s.timeToExit(ctx)
			}
		case err := <-s.told:
			s.telling = false
			if err != nil && !s.exits() {
				s.kill("it takes no message: " + err.Error())
			}
		case <-leaving:
			s.exitsNot(ctx)
		case <-ticker.C:
			s.sendPing()
			if ctx.Err() == nil {
				s.checkOverdue()
			}
		case <-greeting:
			if s.telling || !s.greeted {
				s.kill(fmt.Sprintf("it did not introduce itself within %v (ProcessOptions.StartTimeout): does its program call Run of a registry?", s.opts.StartTimeout))
			}
		case <-stopping:
			stopping = nil
			s.drainChild()
		case <-late:
			late = nil
			s.kill("it had not stopped when its stop was cut")
		}
	}
}

// timeToExit ends when a process that has said its last word must be gone. While
// the agent stops, it has what is left of the stop's time: what its program does
// after Run, to send what telemetry has, say, is a part of the stop.
func (s *session) timeToExit(ctx context.Context) <-chan time.Time {
	left := s.opts.ExitTimeout
	if ctx.Err() != nil && s.bye != nil {
		t, ok := s.deadline()
		if !ok {
			return nil
		}
		left = time.Until(t)
		left = max(left-min(left/5, maxExitMargin), 0)
	}
	if left < 0 {
		return nil
	}
	return time.After(left)
}

// maxExitMargin is how long before the end of a stop a process is killed that has
// nothing more to say: that takes a moment.
const maxExitMargin = time.Second

// exitsNot ends a process that did not exit in time. What its agent said in the end
// is how that ended, and stands.
func (s *session) exitsNot(ctx context.Context) {
	switch {
	case s.bye != nil && ctx.Err() != nil:
		s.log.Warn("Killed a process whose agent had stopped, but whose program had not exited when the time to stop was up", "process", s.instance)
		s.end()
	case s.bye != nil && s.bye.Error != "":
		s.log.Warn("Killed a process whose agent had ended, but whose program had not exited", "process", s.instance, "timeout", s.opts.ExitTimeout)
		s.end()
	default:
		s.kill(fmt.Sprintf("it did not exit within %v after its last word (ProcessOptions.ExitTimeout)", s.opts.ExitTimeout))
	}
}

// exits waits a moment for a process whose pipe is closed: that it ended says more.
func (s *session) exits() bool {
	timeout := time.NewTimer(restTimeout)
	defer timeout.Stop()
	select {
	case <-s.child.Exited():
		return true
	case <-timeout.C:
		return false
	}
}

// rest takes what the process sent before it died.
func (s *session) rest() {
	timeout := time.NewTimer(restTimeout)
	defer timeout.Stop()
	for {
		select {
		case m := <-s.messages:
			s.take(m)
		case <-s.broken: //nolint:errcheck // that it ends is all that matters
			return
		case <-timeout.C:
			return
		}
	}
}

// kill ends the process. The first reason stands.
func (s *session) kill(reason string) {
	if s.reason == "" {
		s.reason = reason
	}
	s.end()
}

func (s *session) lostConnection(err error) {
	var garbled *process.FrameError
	switch {
	case errors.As(err, &garbled):
		s.kill("it does not speak the protocol of a child: " + err.Error())
	case !errors.Is(err, io.EOF):
		s.kill("the connection broke: " + err.Error())
	}
}

// take deals with one message. Nothing in it is trusted.
func (s *session) take(m process.Message) {
	if !s.greeted && m.Type != process.TypeHello {
		s.kill(fmt.Sprintf("it does not speak the protocol of a child: its first message is %q", m.Type))
		return
	}
	switch m.Type {
	case process.TypeHello:
		s.takeHello(m)
	case process.TypePong:
		if m.ID == s.ping {
			s.unanswered, s.missed = false, 0
		}
		if m.Usage != nil {
			s.change(s.childProcess, func(st *ProcessStatus) { st.ResidentBytes = max(m.Usage.Resident, 0) })
		}
	case process.TypeStatus:
		status, err := decodeStatus(m.Status)
		if err != nil {
			s.kill("it does not speak the protocol of a child: status: " + err.Error())
			return
		}
		s.takeStatus(status)
	case process.TypeBegin:
		a, err := decodeActivity(m.Status)
		if err != nil {
			s.kill("it does not speak the protocol of a child: activity: " + err.Error())
			return
		}
		s.takeBegin(a)
	case process.TypeLog:
		if m.Record != nil {
			s.emit(*m.Record)
		}
	case process.TypeMetrics:
		s.takeMetrics(m)
	case process.TypeReported:
		s.orphans = slices.DeleteFunc(s.orphans, func(token []byte) bool {
			return slices.ContainsFunc(m.Tokens, func(told []byte) bool { return bytes.Equal(token, told) })
		})
	case process.TypeBye:
		s.bye = &m
	}
}

func (s *session) takeHello(m process.Message) {
	h := m.Hello
	switch {
	case h == nil:
		s.kill("it does not speak the protocol of a child: an empty hello")
		return
	case h.Protocol != process.Version:
		s.fault = &process.VersionError{Other: h.Protocol, Module: h.Module}
	case h.TaskQueue == "": // it has no such agent, and is about to say so
	case h.Agent != s.name || h.TaskQueue != s.queue:
		s.fault = fmt.Errorf("its program runs the agent %q on the task queue %q, not %q on %q", h.Agent, h.TaskQueue, s.name, s.queue)
	}
	if s.fault != nil {
		s.kill(s.fault.Error())
		return
	}
	s.greeted = true
}

func (s *session) takeStatus(status Status) {
	switch {
	case status.Ready && s.readySince.IsZero():
		s.readySince = time.Now()
	case !status.Ready && !s.readySince.IsZero():
		s.readyFor, s.readySince = time.Since(s.readySince), time.Time{}
	}
	s.change(s.childProcess, func(st *ProcessStatus) {
		st.State, st.Doing, st.Identity, st.Details = status.State, status.Doing, status.Identity, status.Details
		st.Restarts, st.Running = s.restarts+max(status.Restarts, 0), status.Running
		if err := status.LastError; err != nil && (err.Error() != s.reported.text || !status.LastErrorAt.Equal(s.reported.at)) {
			s.reported.text, s.reported.at = err.Error(), status.LastErrorAt
			s.wrong(st, err)
		}
	})
}

// takeBegin adds an activity, unless a status has done so already.
func (s *session) takeBegin(a RunningActivity) {
	s.change(s.childProcess, func(st *ProcessStatus) {
		known := slices.ContainsFunc(st.Running, func(b RunningActivity) bool { return a.key() == b.key() })
		if !known && len(st.Running) < maxReported {
			st.Running = append(slices.Clone(st.Running), a)
			slices.SortStableFunc(st.Running, func(a, b RunningActivity) int { return cmp.Compare(a.id, b.id) })
		}
	})
}

// sendPing counts pings without an answer instead of time, which may have passed
// while this process itself was held.
func (s *session) sendPing() {
	if s.telling || !s.greeted {
		return
	}
	if s.unanswered {
		s.missed++
		silence := time.Duration(s.missed) * pingInterval
		if s.opts.AnswerTimeout > 0 && silence >= s.opts.AnswerTimeout {
			s.kill(fmt.Sprintf("it did not answer for %v", silence))
		}
		return
	}
	s.ping++
	s.unanswered = true
	// An error means that the process is about to be gone, which others see.
	_ = s.child.Send(process.Message{Type: process.TypePing, ID: s.ping})
}

// checkOverdue is called once in a ping interval, and ends the process if one of its
// activities does not end.
func (s *session) checkOverdue() {
	if s.opts.OverdueTimeout < 0 {
		return
	}
	s.mu.Lock()
	running := s.status.Running
	s.mu.Unlock()
	overdue := map[activityKey]int{}
	for _, a := range running {
		if a.Ended.IsZero() {
			continue
		}
		intervals, known := s.overdue[a.key()]
		if known {
			intervals++
		}
		overdue[a.key()] = intervals
		if over := time.Duration(intervals) * pingInterval; over > s.opts.OverdueTimeout {
			s.kill(fmt.Sprintf("%s goes on %v after its context ended", a, over))
			return
		}
	}
	s.overdue = overdue
}

// drainChild asks the process to stop a little before its time is up.
func (s *session) drainChild() {
	left := time.Duration(-1)
	if t, ok := s.deadline(); ok {
		left = time.Until(t)
		left = max(left-min(left/10, maxDrainMargin), 0)
	}
	s.change(s.childProcess, func(st *ProcessStatus) { st.State, st.Doing = StateDraining, "waiting for its process to stop" })
	if s.telling || !s.greeted {
		s.kill("the agent was stopped before it introduced itself")
		return
	}
	_ = s.child.Send(process.Message{Type: process.TypeDrain, Left: left})
}

// maxDrainMargin is what a process has less than its parent to stop: it must
// exit as well.
const maxDrainMargin = 2 * time.Second

// epitaph says how the process ended.
func (s *session) epitaph(ctx context.Context, env []string) error {
	if !s.readySince.IsZero() {
		s.readyFor = time.Since(s.readySince)
	}
	stopping := ctx.Err() != nil
	switch {
	case s.fault != nil:
		return permanentError{s.fault}
	case s.reason == "" && s.bye != nil && s.bye.Error != "":
		err := errors.New(s.bye.Error)
		if s.bye.Final && !stopping {
			return permanentError{err}
		}
		return err
	case stopping && (s.telling || !s.greeted), stopping && s.reason == "" && s.bye != nil:
		return nil
	}
	s.mu.Lock()
	running := s.status.Running
	s.mu.Unlock()
	return &ProcessError{
		Agent: s.name, Instance: s.instance, PID: s.child.PID, At: time.Now(), Reason: s.reason,
		Exit: s.child.Exit(), MemoryLimit: s.opts.MemoryLimit, Output: redacted(s.child.Output(), env), Running: running,
	}
}

// emit writes a record of the process's log to this one's.
func (s *session) emit(r process.Record) {
	handler := s.options.Logger.Handler()
	ctx := context.Background()
	if !handler.Enabled(ctx, slog.Level(r.Level)) {
		return
	}
	record := slog.NewRecord(r.Time, slog.Level(r.Level), r.Message, 0)
	record.AddAttrs(slog.Int("process", s.instance))
	for _, a := range r.Attrs {
		record.AddAttrs(slog.Any(a.Key, a.Value))
	}
	if r.Lost > 0 {
		record.AddAttrs(slog.Int("recordsLost", r.Lost))
	}
	_ = handler.Handle(ctx, record) // as slog.Logger does
}
