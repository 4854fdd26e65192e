package agenttest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
)

// patience is how long the package waits for what should happen at once.
const patience = 10 * time.Second

// errEnded is why activities end that the workflow did not wait for.
var errEnded = errors.New("the environment's workflow has ended")

// inflight is an interceptor that knows which activities run, so that none
// outlives the workflow by more than it takes to hear of it.
type inflight struct {
	interceptor.WorkerInterceptorBase

	mu      sync.Mutex
	running map[string]int // by activity type
	changed chan struct{}  // closed, and replaced, when an activity ends
}

func newInflight() *inflight {
	return &inflight{running: map[string]int{}, changed: make(chan struct{})}
}

func (f *inflight) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &inflightActivity{all: f}
	i.Next = next
	return i
}

// wait waits until no activity runs.
func (f *inflight) wait() error {
	timeout := time.After(patience)
	for {
		f.mu.Lock()
		names, changed := slices.Sorted(maps.Keys(f.running)), f.changed
		f.mu.Unlock()
		if len(names) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-timeout:
			return fmt.Errorf("activities %q still run %v after their context ended", names, patience)
		}
	}
}

func (f *inflight) count(name string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running[name] += n; f.running[name] == 0 {
		delete(f.running, name)
		close(f.changed)
		f.changed = make(chan struct{})
	}
}

type inflightActivity struct {
	interceptor.ActivityInboundInterceptorBase
	all *inflight
}

func (i *inflightActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	name := activity.GetInfo(ctx).ActivityType.Name
	i.all.count(name, 1)
	defer i.all.count(name, -1)
	out, err := i.Next.ExecuteActivity(ctx, in)
	if err != nil && givenUp(ctx) {
		// The SDK's environment would wait for the retry in a goroutine,
		// for ever.
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), "", nil)
	}
	return out, err
}

// givenUp reports whether nobody waits for the activity any more. The SDK's
// environment says so by answering a heartbeat with NotFound.
func givenUp(ctx context.Context) bool {
	var notFound *serviceerror.NotFound
	cause := context.Cause(ctx)
	return errors.As(cause, &notFound) || errors.Is(cause, errEnded)
}
