package integration

import (
	"cmp"
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/devserver"
	"github.com/seed-ab6af24b/troupe/registry"
)

// BenchmarkRegistryOverhead compares an agent in a registry with the same
// workflow, of two activities that do nothing, on a worker of the plain SDK: on
// one server, which is another process, each with a connection of its own, in
// interleaved pairs.
//
//	go test -run '^$' -bench RegistryOverhead -benchtime 8x ./integration
//
// One operation is 64 pairs, in two minutes; the more of them, the narrower the
// intervals. It reports medians, and the bounds of their 95 % intervals by
// bootstrap over the pairs:
//
//	ratio            workflows per second at full load, registry / plain; 1 is none lost
//	delta-µs         median time of a workflow alone, registry - plain
//	worker-delta-µs  of that time what the worker takes, from the answers of its polls
//	                 to the calls that complete its tasks, registry - plain: the rest is
//	                 the server's and the client's, in which the two sides do not differ
//	cpu-delta-µs     CPU time of a workflow at full load, client and worker together,
//	                 registry - plain; not on Windows
//	cpu-ratio        CPU time of all of them and the server, plain / registry: what ratio
//	                 would be on processors that do nothing else; on Linux only
//
// A workflow ends when the server has taken its last task. A client that asked for
// its result would now and then hear of it half a second later: the server's long
// poll may miss the end (see agent/devserver), and such a pause in one batch of
// three hides all else.
func BenchmarkRegistryOverhead(b *testing.B) {
	const (
		pairs    = 64
		batch    = 16 // workflows at full load, twice for each side
		inFlight = 16 // of them at a time
		alone    = 4  // workflows, one after the other
	)
	address, server, _ := startChildServer(b, "", devserver.AnyPort)
	sides := []*side{startPlain(b, address), startManaged(b, address)}
	for _, s := range sides {
		together(b, s, 10*batch, inFlight) // warm up
	}
	var ratios, cpus, allCPUs, plainRate, plainCPU []float64
	var whole, inWorker [2][][]float64 // times of workflows alone, of each side, a list for each pair
	for b.Loop() {
		for i := range pairs {
			first, second := i%2, 1-i%2
			var took, cpu, serverCPU [2]time.Duration
			for _, k := range []int{first, second, second, first} { // whatever drifts hits both alike
				before, serverBefore := cpuTime(), cpuTimeOf(server)
				took[k] += together(b, sides[k], batch, inFlight)
				cpu[k] += (cpuTime() - before) / (2 * batch)
				serverCPU[k] += (cpuTimeOf(server) - serverBefore) / (2 * batch)
			}
			ratios = append(ratios, took[0].Seconds()/took[1].Seconds())
			cpus = append(cpus, microseconds(cpu[1]-cpu[0]))
			allCPUs = append(allCPUs, float64(cpu[0]+serverCPU[0])/float64(cpu[1]+serverCPU[1]))
			plainRate = append(plainRate, 2*batch/took[0].Seconds())
			plainCPU = append(plainCPU, microseconds(cpu[0]))
			for k, s := range sides {
				s.watch.take() // that was the full load's
				whole[k], inWorker[k] = append(whole[k], nil), append(inWorker[k], nil)
			}
			for n := range 2 * alone {
				k, last := (n+i)%2, len(ratios)-1
				whole[k][last] = append(whole[k][last], microseconds(together(b, sides[k], 1, 1)))
				inWorker[k][last] = append(inWorker[k][last], microseconds(sides[k].watch.take()))
			}
		}
	}
	for _, m := range []struct {
		name  string
		value func(of []int) float64
	}{
		{"ratio", medianOf(ratios)},
		{"delta-µs", medianDelta(whole)},
		{"worker-delta-µs", medianDelta(inWorker)},
		{"cpu-delta-µs", medianOf(cpus)},
		{"cpu-ratio", medianOf(allCPUs)},
	} {
		value, low, high := interval(len(ratios), m.value)
		b.ReportMetric(value, m.name)
		b.ReportMetric(low, m.name+"-low")
		b.ReportMetric(high, m.name+"-high")
	}
	b.ReportMetric(median(slices.Concat(whole[0]...)), "plain-p50-µs")
	b.ReportMetric(median(slices.Concat(inWorker[0]...)), "plain-worker-p50-µs")
	b.ReportMetric(median(plainRate), "plain-workflows/s")
	b.ReportMetric(median(plainCPU), "plain-cpu-µs")
	b.ReportMetric(float64(len(ratios)), "pairs")
	b.ReportMetric(0, "ns/op") // of the whole comparison: says nothing
}

// side is one of the two that are compared.
type side struct {
	client          client.Client
	queue, workflow string
	watch           *stopwatch // on the worker's connection
}

// stopwatch sits on a worker's connection, sums up for how long the worker has
// tasks in hand, and tells when workflows end.
type stopwatch struct {
	mu    sync.Mutex
	tasks map[string]taskInHand // by token
	ends  map[string]chan struct{}
	spent time.Duration
}

type taskInHand struct {
	workflow string
	since    time.Time
}

// option makes a connection's calls run through the stopwatch.
func (s *stopwatch) option() grpc.DialOption {
	s.tasks, s.ends = map[string]taskInHand{}, map[string]chan struct{}{}
	return grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, o ...grpc.CallOption) error {
		ended := ""
		switch r := req.(type) {
		case *workflowservice.RespondWorkflowTaskCompletedRequest:
			id := s.end(r.GetTaskToken())
			if slices.ContainsFunc(r.GetCommands(), func(c *commandpb.Command) bool {
				return c.GetCommandType() == enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION
			}) {
				ended = id
			}
		case *workflowservice.RespondActivityTaskCompletedRequest:
			s.end(r.GetTaskToken())
		}
		err := call(ctx, method, req, reply, conn, o...)
		if err != nil {
			return err
		}
		if ended != "" {
			s.tell(ended)
		}
		switch r := reply.(type) {
		case *workflowservice.PollWorkflowTaskQueueResponse:
			s.begin(r.GetTaskToken(), r.GetWorkflowExecution())
		case *workflowservice.PollActivityTaskQueueResponse:
			s.begin(r.GetTaskToken(), r.GetWorkflowExecution())
		case *workflowservice.RespondWorkflowTaskCompletedResponse: // which may bring the next tasks
			s.begin(r.GetWorkflowTask().GetTaskToken(), r.GetWorkflowTask().GetWorkflowExecution())
			for _, a := range r.GetActivityTasks() {
				s.begin(a.GetTaskToken(), a.GetWorkflowExecution())
			}
		}
		return nil
	})
}

func (s *stopwatch) begin(token []byte, of *commonpb.WorkflowExecution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(token) > 0 { // a poll may end without a task
		s.tasks[string(token)] = taskInHand{of.GetWorkflowId(), time.Now()}
	}
}

func (s *stopwatch) end(token []byte) (workflow string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	task, ok := s.tasks[string(token)]
	if ok {
		s.spent += time.Since(task.since)
		delete(s.tasks, string(token))
	}
	return task.workflow
}

// expect returns a channel that is closed when the workflow ends.
func (s *stopwatch) expect(workflow string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := make(chan struct{})
	s.ends[workflow] = end
	return end
}

func (s *stopwatch) tell(workflow string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if end, ok := s.ends[workflow]; ok {
		close(end)
		delete(s.ends, workflow)
	}
}

// take returns what was spent since the last call.
func (s *stopwatch) take() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.spent = 0 }()
	return s.spent
}

// startPlain runs workflow and activity as one writes them with the SDK alone.
func startPlain(b *testing.B, address string) *side {
	b.Helper()
	var watch stopwatch
	c := benchClient(b, address, watch.option())
	w := worker.New(c, "plain-tasks", worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, n int) (int, error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		for range 2 {
			if err := workflow.ExecuteActivity(ctx, "noop", n).Get(ctx, &n); err != nil {
				return 0, err
			}
		}
		return n, nil
	}, workflow.RegisterOptions{Name: "Two"})
	w.RegisterActivityWithOptions(func(_ context.Context, n int) (int, error) { return n, nil }, activity.RegisterOptions{Name: "noop"})
	require.NoError(b, w.Start())
	b.Cleanup(w.Stop)
	return &side{benchClient(b, address), "plain-tasks", "Two", &watch}
}

var (
	managedDomain = agent.Domain{Name: "managed", TaskQueue: "managed-tasks"}
	managedNoop   = agent.NewActivity[int, int](managedDomain, "noop", agent.StartToClose(time.Minute))
	managedTwo    = agent.NewWorkflow[int, int](managedDomain, "Two")
)

type managedAgent struct{ agent.Base }

func (managedAgent) Workflows() []agent.Binding {
	return agent.Bind(managedTwo.To(func(ctx workflow.Context, n int) (_ int, err error) {
		for range 2 {
			if n, err = managedNoop.Execute(ctx, n); err != nil {
				return 0, err
			}
		}
		return n, nil
	}))
}

func (managedAgent) Activities() []agent.Binding {
	return agent.Bind(managedNoop.To(func(_ context.Context, n int) (int, error) { return n, nil }))
}

// startManaged runs the same as an agent in a registry.
func startManaged(b *testing.B, address string) *side {
	b.Helper()
	var watch stopwatch
	option := watch.option()
	reg := newRegistry(address, func(o *registry.Options) {
		was := o.ClientOptions
		o.ClientOptions = func(o *client.Options) {
			was(o)
			o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions, option)
		}
	})
	require.NoError(b, reg.Register(managedAgent{managedDomain.Base()}))
	runForBenchmark(b, reg)
	return &side{benchClient(b, address), managedDomain.TaskQueue, managedTwo.Name(), &watch}
}

func benchClient(b *testing.B, address string, o ...grpc.DialOption) client.Client {
	b.Helper()
	c, err := client.Dial(client.Options{HostPort: address, Logger: silentSDK, ConnectionOptions: client.ConnectionOptions{DialOptions: o}})
	require.NoError(b, err)
	b.Cleanup(c.Close)
	return c
}

// together runs n workflows, so many at a time, and returns how long that took.
func together(b *testing.B, s *side, n, inFlight int) time.Duration {
	b.Helper()
	began := time.Now()
	var wg sync.WaitGroup
	slots := make(chan struct{}, inFlight)
	for range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			id := rand.Text()
			end := s.watch.expect(id)
			if _, err := s.client.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: s.queue}, s.workflow, 1); err != nil {
				b.Error(err)
				return
			}
			select {
			case <-end:
			case <-time.After(patience):
				b.Errorf("the workflow %s did not end", id)
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func median[T cmp.Ordered](values []T) T {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// medianOf returns the statistic "median of these values".
func medianOf(values []float64) func(of []int) float64 {
	return func(of []int) float64 {
		some := make([]float64, len(of))
		for k, i := range of {
			some[k] = values[i]
		}
		return median(some)
	}
}

// medianDelta returns the statistic "median of side 1 - median of side 0" of times,
// a list for each pair: all of a side make its median, since that of the few of a
// pair is too uncertain.
func medianDelta(times [2][][]float64) func(of []int) float64 {
	return func(of []int) float64 {
		var some [2][]float64
		for k := range some {
			for _, i := range of {
				some[k] = append(some[k], times[k][i]...)
			}
		}
		return median(some[1]) - median(some[0])
	}
}

// interval returns a statistic over n pairs and the 95 % interval that bootstrap
// gives it: pairs are drawn with what was measured in them.
func interval(n int, statistic func(of []int) float64) (value, low, high float64) {
	r := mathrand.New(mathrand.NewPCG(1, 2))
	drawn := make([]int, n)
	for i := range drawn {
		drawn[i] = i
	}
	value = statistic(drawn)
	values := make([]float64, 2000)
	for i := range values {
		for k := range drawn {
			drawn[k] = r.IntN(n)
		}
		values[i] = statistic(drawn)
	}
	slices.Sort(values)
	return value, values[len(values)/40], values[len(values)-1-len(values)/40]
}
