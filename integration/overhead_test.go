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
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// BenchmarkRegistryOverhead compares an agent in a registry with the same
// workflow and activity on a worker of the plain SDK, on one server, in
// interleaved pairs. One operation is a pair of batches, so
//
//	go test -run '^$' -bench RegistryOverhead -benchtime 30x ./integration
//
// takes 30. It reports the medians over the pairs, and the 95 % interval of
// the median of the ratio by bootstrap:
//
//	throughput-ratio  workflows per second, registry / plain; 1 is none lost
//	p50-delta-µs      median time of a workflow alone, registry - plain
func BenchmarkRegistryOverhead(b *testing.B) {
	const (
		batch    = 100 // workflows
		inFlight = 16
		alone    = 20 // workflows, one after the other
	)
	c, err := client.Dial(client.Options{HostPort: hostPort, Logger: sdklog.NewStructuredLogger(silent)})
	require.NoError(b, err)
	b.Cleanup(c.Close)
	plain, managed := newAgent(b, "plain"), newAgent(b, "managed")
	startPlain(b, plain)
	reg := newRegistry(hostPort)
	require.NoError(b, reg.Register(managed))
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- reg.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		require.NoError(b, <-ended)
	})
	require.NoError(b, reg.WaitReady(ctx))
	for _, a := range []*testAgent{plain, managed} {
		together(b, c, a, batch, inFlight)
	}

	var ratios, deltas []float64
	b.ResetTimer()
	for i := range b.N {
		pair := []*testAgent{plain, managed}
		if i%2 == 1 { // whatever drifts hits both alike
			slices.Reverse(pair)
		}
		took, p50 := map[*testAgent]time.Duration{}, map[*testAgent]time.Duration{}
		for _, a := range pair {
			took[a] = together(b, c, a, batch, inFlight)
		}
		var single [2][]time.Duration
		for range alone {
			for k, a := range pair {
				single[k] = append(single[k], together(b, c, a, 1, 1))
			}
		}
		for k, a := range pair {
			p50[a] = median(single[k])
		}
		ratios = append(ratios, took[plain].Seconds()/took[managed].Seconds())
		deltas = append(deltas, float64((p50[managed] - p50[plain]).Microseconds()))
	}
	b.StopTimer()
	low, high := interval(ratios)
	b.ReportMetric(median(ratios), "throughput-ratio")
	b.ReportMetric(low, "throughput-ratio-low")
	b.ReportMetric(high, "throughput-ratio-high")
	b.ReportMetric(median(deltas), "p50-delta-µs")
}

// startPlain runs the test agent's workflow and activity without agent and
// registry, over a connection of its own.
func startPlain(b *testing.B, a *testAgent) {
	b.Helper()
	c, err := client.Dial(client.Options{HostPort: hostPort, Logger: sdklog.NewStructuredLogger(silent)})
	require.NoError(b, err)
	b.Cleanup(c.Close)
	w := worker.New(c, a.TaskQueue(), worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, in Text) (out Text, err error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: a.RetryPolicy()})
		err = workflow.ExecuteActivity(ctx, a.activity.Name(), in).Get(ctx, &out)
		return out, err
	}, workflow.RegisterOptions{Name: a.workflow.Name()})
	w.RegisterActivityWithOptions(func(_ context.Context, in Text) (Text, error) { return in, nil },
		activity.RegisterOptions{Name: a.activity.Name()})
	require.NoError(b, w.Start())
	b.Cleanup(w.Stop)
}

// together runs n workflows, so many at a time, and returns how long that took.
func together(b *testing.B, c client.Client, a *testAgent, n, inFlight int) time.Duration {
	b.Helper()
	began := time.Now()
	var wg sync.WaitGroup
	slots := make(chan struct{}, inFlight)
	for range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			run, err := c.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{TaskQueue: a.TaskQueue()}, a.workflow.Name(), Text{"x"})
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
