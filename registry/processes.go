package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// processes keeps the processes of one agent running, each on its own, and puts
// their states together into the agent's.
type processes struct {
	*supervisor
	each []*childProcess

	mu sync.Mutex // guards the status of all of them
	// latest had the last new error, nil if none had one.
	latest *childProcess
}

func newProcesses(s *supervisor) (*processes, error) {
	ps := &processes{supervisor: s}
	for i, o := range s.settings.processes {
		if err := o.validate(); err != nil {
			return nil, err
		}
		o = o.withDefaults()
		ps.each = append(ps.each, &childProcess{
			processes: ps, instance: i, opts: o,
			status: ProcessStatus{Instance: i, Device: o.Device, State: StateNew, Since: time.Now(), Running: []RunningActivity{}},
		})
	}
	return ps, nil
}

// run keeps the processes running until the agent is stopped, or all have
// failed for good.
func (ps *processes) run() {
	ps.board.enter(StateStarting)
	errs := make([]error, len(ps.each))
	var all sync.WaitGroup
	for i, p := range ps.each {
		all.Go(func() { errs[i] = p.run(ps.stopping) })
	}
	all.Wait()
	err := errors.Join(errs...)
	if ps.stopping.Err() == nil {
		ps.outcome = &agentError{agent: ps.name, failed: true, err: err}
		ps.board.failed(err)
		ps.board.enter(StateFailed)
		ps.log.Error("Agent failed for good", "error", err)
		return
	}
	ps.end(err)
}

// change changes the status of one process and brings the agent's up to date.
func (ps *processes) change(p *childProcess, change func(*ProcessStatus)) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	state := p.status.State
	change(&p.status)
	if p.status.State != state {
		p.status.Since = time.Now()
	}
	ready := !slices.ContainsFunc(ps.each, func(p *childProcess) bool { return p.status.State != StateReady })
	// One write, so that nobody sees a process that is gone in an agent that is ready.
	ps.board.write(func(s *Status) {
		s.Processes, s.Running, s.Restarts, s.Doing, s.Identity, s.Details = nil, nil, 0, "", "", nil
		for _, p := range ps.each {
			s.Processes = append(s.Processes, p.status)
			s.Restarts += p.status.Restarts
			s.Running = append(s.Running, p.status.Running...)
			if s.Doing == "" && p.status.Doing != "" {
				s.Doing = ps.named(p) + p.status.Doing
			}
		}
		if len(ps.each) == 1 {
			s.Identity, s.Details = p.status.Identity, p.status.Details
		}
		ps.sort(s.Running)
		if ps.latest != nil {
			s.LastError, s.LastErrorAt = ps.latest.status.LastError, ps.latest.status.LastErrorAt
		}
		// The log hears of it from the processes themselves.
		if ready {
			s.enter(StateReady)
		} else if s.Ready {
			s.enter(StateStarting)
		}
	})
}

// wrong notes a new error of p, within change. Which error of the agent is the
// latest is told by the order of these calls: two may fall on one tick of the clock.
func (p *childProcess) wrong(s *ProcessStatus, err error) {
	s.LastError, s.LastErrorAt = err, time.Now()
	p.latest = p
}

// named begins a sentence about one process of several.
func (ps *processes) named(p *childProcess) string {
	if len(ps.each) == 1 {
		return ""
	}
	if p.opts.Device != "" {
		return fmt.Sprintf("process %d (%s): ", p.instance, p.opts.Device)
	}
	return fmt.Sprintf("process %d: ", p.instance)
}

// lists returns the status of the processes and of all their activities.
func (ps *processes) lists() ([]ProcessStatus, []RunningActivity) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	running := []RunningActivity{}
	var each []ProcessStatus
	for _, p := range ps.each {
		s := p.status
		s.Running = slices.Clone(s.Running)
		each = append(each, s)
		running = append(running, s.Running...)
	}
	ps.sort(running)
	return each, running
}

// sort brings the activities of several processes into the order of their times.
// Those of one are in order, which a clock that was set since knows nothing of.
func (ps *processes) sort(list []RunningActivity) {
	if len(ps.each) > 1 {
		slices.SortStableFunc(list, func(a, b RunningActivity) int { return a.Since.Compare(b.Since) })
	}
}

// childProcess is one process of an agent after the other, with the same
// options.
type childProcess struct {
	*processes
	instance int
	opts     ProcessOptions

	status  ProcessStatus // guarded by processes.mu
	current *session      // likewise; nil while there is no process

	// orphans ran in processes that have ended, of which the server has not been
	// told yet, the oldest first; cause is how the last of those ended.
	orphans [][]byte
	cause   string
}

// run returns nil or an error when the agent was stopped, and an error when
// another process would fail as the last one did.
func (p *childProcess) run(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		s := &session{childProcess: p}
		err := s.live(ctx)
		p.ended(err)
		if ctx.Err() != nil {
			return p.outcomeOf(err)
		}
		if permanent(err) {
			p.change(p, func(s *ProcessStatus) { s.State = StateFailed })
			return p.outcomeOf(err)
		}
		if s.readyFor > p.options.BackOff.Max {
			failures = 0
		}
		failures++
		p.pause(ctx, p.options.BackOff.delay(failures))
	}
	return nil
}

// ended notes how a process ended.
func (p *childProcess) ended(err error) {
	var words *ProcessError
	if errors.As(err, &words) {
		for _, a := range words.Running {
			if a.token != nil {
				p.orphans, p.cause = append(p.orphans, a.token), words.Error()
			}
		}
		p.orphans = slices.Delete(p.orphans, 0, max(len(p.orphans)-maxOrphans, 0))
	}
	p.change(p, func(s *ProcessStatus) {
		s.PID, s.Doing, s.Identity, s.Running, s.ResidentBytes, s.MemoryLimit = 0, "", "", []RunningActivity{}, 0, ""
		s.Details = nil
		s.State = StateStopped
		if err != nil {
			s.State = StateStarting
			p.wrong(s, err)
		}
		if words != nil {
			s.LastWords = words
		}
	})
	switch {
	case words != nil:
		// Also where ProcessOptions.Output has it: a log may be all that is kept.
		p.log.Warn("Process ended", "process", p.instance, "error", err, "output", words.Output)
	case err != nil:
		p.log.Warn("Process ended", "process", p.instance, "error", err)
	}
}

// maxOrphans bounds those that are kept: the oldest have timed out first.
const maxOrphans = 2 * maxReported

// outcomeOf says whose error it is, where the agent has several processes.
func (p *childProcess) outcomeOf(err error) error {
	if name := p.named(p); err != nil && name != "" {
		return fmt.Errorf("%s%w", name, err)
	}
	return err
}

// pause waits before the next process.
func (p *childProcess) pause(ctx context.Context, delay time.Duration) {
	delay = delay.Round(time.Millisecond)
	p.change(p, func(s *ProcessStatus) { s.Doing = fmt.Sprintf("waiting %v before it starts again", delay) })
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		p.change(p, func(s *ProcessStatus) { s.Restarts++ })
	case <-ctx.Done():
	}
}

// killTimeout bounds the wait for a process that was killed.
const killTimeout = 5 * time.Second

// awaitKilled returns when the processes of a stop that came too late are gone,
// which a kill takes a moment for.
func (ps *processes) awaitKilled(ctx context.Context) {
	timer := time.NewTimer(killTimeout)
	defer timer.Stop()
	select {
	case <-ps.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}
