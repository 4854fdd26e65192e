package registry

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
)

// RunningActivity is an activity execution in this process.
type RunningActivity struct {
	Type string `json:"type"`
	// WorkflowID is empty for an activity that no workflow started.
	WorkflowID string    `json:"workflow_id,omitempty"`
	Attempt    int32     `json:"attempt"`
	Since      time.Time `json:"since"`
	// Ended is when the activity's context ended (its time was up, it was
	// cancelled), zero while it may go on.
	Ended time.Time `json:"ended,omitzero"`

	// token lets anyone who has it complete the activity: it is nobody's
	// business but that of the agent's processes. Nil for local activities,
	// which belong to their workflow task.
	token []byte
	// id numbers the activities of one process in the order of their begin, from
	// 1; 0 is that of a process of an older version.
	id uint64
}

// activityKey tells the activities that run in one process apart.
type activityKey struct {
	id                        uint64
	activity, workflow, token string
	since                     int64
}

func (a RunningActivity) key() activityKey {
	if a.id != 0 {
		return activityKey{id: a.id}
	}
	// Two local activities of one workflow that begin on one tick of the clock are
	// taken for one.
	return activityKey{0, a.Type, a.WorkflowID, string(a.token), a.Since.UnixNano()}
}

func (a RunningActivity) String() string { return a.at(time.Now()) }

// at says what the activity was at that time.
func (a RunningActivity) at(now time.Time) string {
	s := fmt.Sprintf("activity %s", a.Type)
	if a.WorkflowID != "" {
		s += fmt.Sprintf(" of workflow %s", a.WorkflowID)
	}
	return fmt.Sprintf("%s (attempt %d, for %v)", s, a.Attempt, max(now.Sub(a.Since), 0).Round(time.Millisecond))
}

// running knows which activities of an agent run.
type running struct {
	interceptor.WorkerInterceptorBase

	mu         sync.Mutex
	last       uint64
	activities map[uint64]RunningActivity
	idle       chan struct{} // closed when the last one ends; nil if nobody waits
	changed    chan struct{} // holds a value after a change
	// announce is called with an activity before it runs, if it is set.
	announce func(RunningActivity)
}

func newRunning() *running {
	return &running{activities: map[uint64]RunningActivity{}, changed: make(chan struct{}, 1)}
}

func (r *running) notify() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// list returns what runs, the oldest first.
func (r *running) list() []RunningActivity {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.AppendSeq(make([]RunningActivity, 0, len(r.activities)), maps.Values(r.activities))
	slices.SortFunc(list, func(a, b RunningActivity) int { return cmp.Compare(a.id, b.id) })
	return list
}

// none returns a channel that is closed as soon as nothing runs.
func (r *running) none() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle == nil {
		r.idle = make(chan struct{})
	}
	idle := r.idle
	if len(r.activities) == 0 {
		close(r.idle)
		r.idle = nil
	}
	return idle
}

// begin notes that an activity runs, whose context is ctx, until the returned
// function is called, and announces it.
func (r *running) begin(ctx context.Context, a RunningActivity) (end func()) {
	a.id, end = r.add(ctx, a)
	if r.announce != nil {
		r.announce(a)
	}
	return end
}

func (r *running) add(ctx context.Context, a RunningActivity) (id uint64, end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.notify()
	r.last++
	id = r.last
	a.id = id
	r.activities[id] = a
	unwatch := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if a, ok := r.activities[id]; ok {
			a.Ended = time.Now()
			r.activities[id] = a
			r.notify()
		}
	})
	return id, func() {
		unwatch()
		r.mu.Lock()
		defer r.mu.Unlock()
		defer r.notify()
		delete(r.activities, id)
		if len(r.activities) == 0 && r.idle != nil {
			close(r.idle)
			r.idle = nil
		}
	}
}

func (r *running) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &runningInterceptor{running: r}
	i.Next = next
	return i
}

type runningInterceptor struct {
	interceptor.ActivityInboundInterceptorBase
	running *running
}

func (i *runningInterceptor) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	var token []byte
	if !info.IsLocalActivity {
		token = info.TaskToken
	}
	a := RunningActivity{
		Type:       info.ActivityType.Name,
		WorkflowID: info.WorkflowExecution.ID,
		Attempt:    info.Attempt,
		Since:      time.Now(),
		token:      token,
	}
	defer i.running.begin(ctx, a)()
	return i.Next.ExecuteActivity(ctx, in)
}
