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
// One operation is the whole comparison, of two minutes. It reports medians, and
// the bounds of their 95 % intervals by bootstrap over the pairs:
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
		var ratios, cpus, plainRate, plainCPU []float64
		var singles [2][][]float64 // of each side, a list for each pair
		for i := range pairs {
			pair := []side{plain, managed}
			first, second := i%2, 1-i%2 // whatever drifts hits both alike
			var took, cpu [2]time.Duration
			for _, k := range []int{first, second} {
				before := cpuTime()
				took[k] = together(b, pair[k], batch, inFlight)
				cpu[k] = (cpuTime() - before) / batch
			}
			var single [2][]float64
			for n := range 2 * alone {
				k := (n + i) % 2
				single[k] = append(single[k], microseconds(together(b, pair[k], 1, 1)))
			}
			singles[0], singles[1] = append(singles[0], single[0]), append(singles[1], single[1])
			ratios = append(ratios, took[0].Seconds()/took[1].Seconds())
			cpus = append(cpus, microseconds(cpu[1]-cpu[0]))
			plainRate = append(plainRate, batch/took[0].Seconds())
			plainCPU = append(plainCPU, microseconds(cpu[0]))
		}
		// All workflows alone of one side make its median: that of the ten of a pair is too uncertain.
		delta := func(of []int) float64 {
			var some [2][]float64
			for _, i := range of {
				some[0], some[1] = append(some[0], singles[0][i]...), append(some[1], singles[1][i]...)
			}
			return median(some[1]) - median(some[0])
		}
		for _, m := range []struct {
			name  string
			value func(of []int) float64
		}{{"ratio", medianOf(ratios)}, {"delta-µs", delta}, {"cpu-delta-µs", medianOf(cpus)}} {
			value, low, high := interval(pairs, m.value)
			b.ReportMetric(value, m.name)
			b.ReportMetric(low, m.name+"-low")
			b.ReportMetric(high, m.name+"-high")
		}
		b.ReportMetric(median(slices.Concat(singles[0]...)), "plain-p50-µs")
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

// interval returns a statistic over n pairs and the 95 % interval that bootstrap
// gives it: pairs are drawn with what was measured in them.
func interval(n int, statistic func(of []int) float64) (value, low, high float64) {
	r := rand.New(rand.NewPCG(1, 2))
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
