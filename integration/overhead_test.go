package integration

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/devserver"
)

// BenchmarkRegistryOverhead compares an agent in a registry with the same
// workflow, of two activities that do nothing, on a worker of the plain SDK: on
// one server, which is another process, each with a connection of its own, in
// interleaved pairs.
//
//	go test -run '^$' -bench RegistryOverhead ./integration
//
// One operation is the whole comparison, of two minutes. It reports medians over
// the pairs, and the bounds of their 95 % intervals by bootstrap:
//
//	ratio         workflows per second at full load, registry / plain; 1 is none lost
//	delta-µs      median time of a workflow alone, registry - plain
//	cpu-delta-µs  CPU time of a workflow at full load, client and worker together,
//	              registry - plain; not on Windows
func BenchmarkRegistryOverhead(b *testing.B) {
	const (
		pairs    = 64
		batch    = 32 // workflows at full load
		inFlight = 16 // of them at a time
		alone    = 10 // workflows, one after the other
	)
	address, _ := childServer(b, "", devserver.AnyPort)
	plain, managed := startPlain(b, address), startManaged(b, address)
	for _, s := range []side{plain, managed} {
		together(b, s, 10*batch, inFlight) // warm up
	}
	for b.Loop() {
		var ratios, deltas, cpus, plainP50, plainRate, plainCPU []float64
		for i := range pairs {
			pair := []side{plain, managed}
			first, second := i%2, 1-i%2 // whatever drifts hits both alike
			var took, cpu [2]time.Duration
			for _, k := range []int{first, second} {
				before := cpuTime()
				took[k] = together(b, pair[k], batch, inFlight)
				cpu[k] = (cpuTime() - before) / batch
			}
			var single [2][]time.Duration
			for n := range 2 * alone {
				k := (n + i) % 2
				single[k] = append(single[k], together(b, pair[k], 1, 1))
			}
			p50 := [2]float64{microseconds(median(single[0])), microseconds(median(single[1]))}
			ratios = append(ratios, took[0].Seconds()/took[1].Seconds())
			deltas = append(deltas, p50[1]-p50[0])
			cpus = append(cpus, microseconds(cpu[1]-cpu[0]))
			plainP50 = append(plainP50, p50[0])
			plainRate = append(plainRate, batch/took[0].Seconds())
			plainCPU = append(plainCPU, microseconds(cpu[0]))
		}
		for _, m := range []struct {
			name   string
			values []float64
		}{{"ratio", ratios}, {"delta-µs", deltas}, {"cpu-delta-µs", cpus}} {
			low, high := interval(m.values)
			b.ReportMetric(median(m.values), m.name)
			b.ReportMetric(low, m.name+"-low")
			b.ReportMetric(high, m.name+"-high")
		}
		b.ReportMetric(median(plainP50), "plain-p50-µs")
		b.ReportMetric(median(plainRate), "plain-workflows/s")
		b.ReportMetric(median(plainCPU), "plain-cpu-µs")
		b.ReportMetric(0, "ns/op") // of the whole comparison: says nothing
	}
}

// side is one of the two that are compared.
type side struct {
	client          client.Client
	queue, workflow string
}

// startPlain runs workflow and activity as one writes them with the SDK alone.
func startPlain(b *testing.B, address string) side {
	b.Helper()
	c := benchClient(b, address)
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
	return side{c, "plain-tasks", "Two"}
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
func startManaged(b *testing.B, address string) side {
	b.Helper()
	reg := newRegistry(address)
	require.NoError(b, reg.Register(managedAgent{managedDomain.Base()}))
	runForBenchmark(b, reg)
	return side{benchClient(b, address), managedDomain.TaskQueue, managedTwo.Name()}
}

func benchClient(b *testing.B, address string) client.Client {
	b.Helper()
	c, err := client.Dial(client.Options{HostPort: address, Logger: silentSDK})
	require.NoError(b, err)
	b.Cleanup(c.Close)
	return c
}

// together runs n workflows, so many at a time, and returns how long that took.
func together(b *testing.B, s side, n, inFlight int) time.Duration {
	b.Helper()
	began := time.Now()
	var wg sync.WaitGroup
	slots := make(chan struct{}, inFlight)
	for range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			run, err := s.client.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{TaskQueue: s.queue}, s.workflow, 1)
			if err == nil {
				err = run.Get(b.Context(), nil)
			}
			if err != nil {
				b.Error(err)
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

// interval returns the 95 % bootstrap interval of the median.
func interval(values []float64) (low, high float64) {
	r := rand.New(rand.NewPCG(1, 2))
	medians := make([]float64, 2000)
	sample := make([]float64, len(values))
	for i := range medians {
		for k := range sample {
			sample[k] = values[r.IntN(len(values))]
		}
		medians[i] = median(sample)
	}
	slices.Sort(medians)
	return medians[len(medians)/40], medians[len(medians)-1-len(medians)/40]
}
