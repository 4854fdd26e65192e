package registry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// ProcessMetrics are the metrics of one process of an agent.
type ProcessMetrics struct {
	Agent    string
	Instance int
	// Data is what MetricsGatherer returned there.
	Data []byte
}

// MetricsGatherer is implemented by an [Observer] that can hand over the metrics
// of its process, in a format of its own. A child's is called when
// [Registry.ProcessMetrics] is, in the parent.
type MetricsGatherer interface {
	GatherMetrics() ([]byte, error)
}

// ProcessMetrics asks all processes of all agents for their metrics, and returns
// the answers that arrive before ctx ends, ordered by agent and instance. A
// process that has none, or that somebody else is asking at the moment, is
// left out, and so is one whose GatherMetrics fails or takes longer than 10 s, of
// which the log tells once.
func (r *Registry) ProcessMetrics(ctx context.Context) []ProcessMetrics {
	r.mu.Lock()
	var sessions []*session
	for _, name := range r.names() {
		if ps := r.agents[name].processes; ps != nil {
			sessions = append(sessions, ps.sessions()...)
		}
	}
	r.mu.Unlock()

	answers := make([][]byte, len(sessions))
	var all sync.WaitGroup
	for i, s := range sessions {
		all.Go(func() { answers[i] = s.gather(ctx) })
	}
	all.Wait()
	var metrics []ProcessMetrics
	for i, s := range sessions {
		if len(answers[i]) > 0 {
			metrics = append(metrics, ProcessMetrics{Agent: s.name, Instance: s.instance, Data: answers[i]})
		}
	}
	return metrics
}

// sessions returns those of the processes that there are.
func (ps *processes) sessions() (list []*session) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range ps.each {
		if p.current != nil {
			list = append(list, p.current)
		}
	}
	return list
}

// gatherTimeout is for how long a question for metrics keeps others from being
// asked.
const gatherTimeout = 10 * time.Second

// gather asks the process for its metrics. One question at a time keeps a
// process that does not read from holding up more than one who asks.
func (s *session) gather(ctx context.Context) []byte {
	answer := make(chan []byte, 1)
	s.gatherMu.Lock()
	if s.gathering != nil {
		if time.Since(s.gatherSince) < gatherTimeout {
			s.gatherMu.Unlock()
			return nil
		}
		s.gatherFailed(fmt.Sprintf("no answer within %v", gatherTimeout))
	}
	s.gatherID++
	id := s.gatherID
	s.gathering, s.gatherSince = answer, time.Now()
	s.gatherMu.Unlock()
	timeout := time.NewTimer(gatherTimeout)
	defer timeout.Stop()

	sent := make(chan error, 1)
	go func() { sent <- s.child.Send(process.Message{Type: process.TypeGather, ID: id}) }()
	for {
		select {
		case data := <-answer:
			return data
		case err := <-sent:
			if err != nil {
				return nil
			}
			sent = nil
		case <-s.child.Exited():
			return nil
		case <-timeout.C: // the next question says so
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// takeMetrics ends the question that the message answers, also if nobody waits
// for it any more.
func (s *session) takeMetrics(m process.Message) {
	s.gatherMu.Lock()
	defer s.gatherMu.Unlock()
	if s.gathering == nil || m.ID != s.gatherID {
		return
	}
	if m.Error != "" {
		s.gatherFailed(m.Error)
	} else {
		s.gatherError = ""
	}
	s.gathering <- m.Metrics
	s.gathering = nil
}

// gatherFailed logs what kept metrics from being gathered, unless the log knows.
// s.gatherMu is held.
func (s *session) gatherFailed(text string) {
	if text != s.gatherError {
		s.gatherError = text
		s.log.Warn("No metrics from a process", "process", s.instance, "error", text)
	}
}
