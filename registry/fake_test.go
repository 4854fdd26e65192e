package registry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

// fakeServer stands for Temporal's server and the SDK's workers: it knows
// which workers poll, and can go away.
type fakeServer struct {
	mu      sync.Mutex
	down    error
	pollers map[string]*fakeWorker // by identity
	hidden  time.Time              // until then it lists no poller
	dialled int
	open    int
	// startError is what workers' Start returns.
	startError error
}

func (f *fakeServer) setDown(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = err
}

func (f *fakeServer) hideUntil(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hidden = t
}

// dial is an Options.Dial.
func (f *fakeServer) dial(context.Context, string) (client.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dialled++
	if f.down != nil {
		return nil, f.down
	}
	f.open++
	return &fakeClient{server: f}, nil
}

func (f *fakeServer) openClients() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

func (f *fakeServer) dials() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dialled
}

// worker returns the one worker that polls.
func (f *fakeServer) worker(t *testing.T) *fakeWorker {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.pollers) != 1 {
		t.Fatalf("%d workers poll, want 1", len(f.pollers))
	}
	for _, w := range f.pollers {
		return w
	}
	return nil
}

type fakeClient struct {
	client.Client
	server *fakeServer
}

func (c *fakeClient) DescribeTaskQueue(_ context.Context, queue string, t enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.server.down != nil {
		return nil, c.server.down
	}
	answer := &workflowservice.DescribeTaskQueueResponse{}
	for identity, w := range c.server.pollers {
		polls := t == enumspb.TASK_QUEUE_TYPE_WORKFLOW && !w.options.DisableWorkflowWorker ||
			t == enumspb.TASK_QUEUE_TYPE_ACTIVITY && !w.options.LocalActivityWorkerOnly
		if w.queue == queue && polls && !time.Now().Before(c.server.hidden) {
			answer.Pollers = append(answer.Pollers, &taskqueuepb.PollerInfo{Identity: identity})
		}
	}
	return answer, nil
}

// DescribeTaskQueueEnhanced is asked about those that no partition lists.
func (c *fakeClient) DescribeTaskQueueEnhanced(context.Context, client.DescribeTaskQueueEnhancedOptions) (client.TaskQueueDescription, error) {
	return client.TaskQueueDescription{}, nil
}

func (c *fakeClient) Close() {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.open--
}

type fakeWorker struct {
	worker.Worker
	server  *fakeServer
	queue   string
	options worker.Options
	stopped sync.Once
	work    sync.WaitGroup
}

func (f *fakeServer) newWorker(_ client.Client, queue string, o worker.Options) worker.Worker {
	return &fakeWorker{server: f, queue: queue, options: o}
}

func (w *fakeWorker) RegisterWorkflowWithOptions(any, workflow.RegisterOptions) {}
func (w *fakeWorker) RegisterActivityWithOptions(any, activity.RegisterOptions) {}

func (w *fakeWorker) Start() error {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	if err := errors.Join(w.server.down, w.server.startError); err != nil {
		return err
	}
	if w.server.pollers == nil {
		w.server.pollers = map[string]*fakeWorker{}
	}
	w.server.pollers[w.options.Identity] = w
	return nil
}

// Stop stops polling and waits for activities, as the SDK's does.
func (w *fakeWorker) Stop() {
	w.stopped.Do(func() {
		w.server.mu.Lock()
		delete(w.server.pollers, w.options.Identity)
		w.server.mu.Unlock()
	})
	w.work.Wait()
}

// execute lets the worker run an activity, in the background.
func (w *fakeWorker) execute(f func(ctx context.Context)) {
	w.executeIn(w.options.BackgroundActivityContext, f)
}

func (w *fakeWorker) executeIn(ctx context.Context, f func(ctx context.Context)) {
	tracked := w.options.Interceptors[0].(*running)
	end := tracked.begin(ctx, RunningActivity{Type: "work", WorkflowID: "w1", Attempt: 1, Since: time.Now()})
	w.work.Go(func() {
		defer end()
		f(ctx)
	})
}

// fakeAgent has one workflow and one activity; its hooks may be nil.
type fakeAgent struct {
	agent.Base
	onStart, onStop, onCheck func(context.Context) error
	onDescribe               func() map[string]string
	onConfigure              func(*worker.Options)
}

var fakeDomain = agent.Domain{Name: "fake", TaskQueue: "fake-tasks", Retry: retry.CPU()}

func newFakeAgent(name string) *fakeAgent {
	d := fakeDomain
	d.Name, d.TaskQueue = name, name+"-tasks"
	return &fakeAgent{Base: d.Base()}
}

func (*fakeAgent) Workflows() []agent.Binding {
	return agent.Bind(agent.NewWorkflow[struct{}, struct{}](fakeDomain, "Work").To(
		func(workflow.Context, struct{}) (struct{}, error) { return struct{}{}, nil }))
}

func (*fakeAgent) Activities() []agent.Binding {
	return agent.Bind(agent.NewActivity[struct{}, struct{}](fakeDomain, "work").To(
		func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }))
}

func call(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		return nil
	}
	return f(ctx)
}

func (a *fakeAgent) Start(ctx context.Context) error       { return call(ctx, a.onStart) }
func (a *fakeAgent) Stop(ctx context.Context) error        { return call(ctx, a.onStop) }
func (a *fakeAgent) CheckHealth(ctx context.Context) error { return call(ctx, a.onCheck) }

func (a *fakeAgent) Describe(context.Context) map[string]string {
	if a.onDescribe == nil {
		return nil
	}
	return a.onDescribe()
}

func (a *fakeAgent) ConfigureWorker(o *worker.Options) {
	if a.onConfigure != nil {
		a.onConfigure(o)
	}
}

// newFake returns a registry whose agents run on a fake server.
func newFake(change ...func(*Options)) (*Registry, *fakeServer) {
	server := &fakeServer{}
	o := Options{Dial: server.dial, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	reg := New(o)
	reg.newWorker = server.newWorker
	return reg, server
}
