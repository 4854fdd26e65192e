package integration

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	_ "github.com/seed-ab6af24b/troupe/scgpt/compute/cpu"
)

// layer computes a transformer layer of the published size on a CPU device.
type layer struct {
	dev           compute.Device
	h, qkv, out   compute.Tensor
	project, back compute.Matrix
	cells         compute.Layout
}

func newLayer(t testing.TB) *layer {
	t.Helper()
	const tokens, d = 1200, 512
	dev, err := compute.Open("cpu", compute.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	l := &layer{dev: dev}
	numbers := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(i%17-8) / 64
		}
		return x
	}
	var errs [6]error
	l.h, errs[0] = dev.Upload(tokens, d, numbers(tokens*d))
	l.qkv, errs[1] = dev.NewTensor(tokens, 3*d)
	l.out, errs[2] = dev.NewTensor(tokens, d)
	l.project, errs[3] = dev.UploadMatrix(3*d, d, numbers(3*d*d))
	l.back, errs[4] = dev.UploadMatrix(d, d, numbers(d*d))
	l.cells, errs[5] = dev.NewLayout([]int32{0, tokens})
	require.NoError(t, errors.Join(errs[:]...))
	return l
}

func (l *layer) run(ctx context.Context) error {
	return errors.Join(
		l.dev.Linear(ctx, l.qkv, l.h, l.project, nil, compute.Identity),
		l.dev.Attention(ctx, l.out, l.qkv, l.cells, 8),
		l.dev.Linear(ctx, l.h, l.out, l.back, nil, compute.ReLU))
}

// lines keeps what is logged.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(p))
	return len(p), nil
}

func (l *lines) with(part string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.all), func(s string) bool { return !strings.Contains(s, part) })
}

// While activities compute on every processor, workflows of the same process
// go on: the SDK's detector, which gives a workflow task one second, stays
// silent.
func TestWorkflowsBesideComputing(t *testing.T) {
	c := clientTo(t, hostPort)
	log := &lines{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	busy, quick := newAgent(t, "busy"), newAgent(t, "quick")
	l := newLayer(t)
	computing := make(chan struct{})
	var once sync.Once
	finish := make(chan struct{})
	busy.onEcho = func(ctx context.Context, in Text) (Text, error) {
		for {
			if err := l.run(ctx); err != nil {
				return Text{}, err
			}
			once.Do(func() { close(computing) })
			select {
			case <-finish:
				return in, nil
			default:
			}
		}
	}
	reg := newRegistry(hostPort, func(o *registry.Options) {
		o.Logger = logger
		o.ClientOptions = func(o *client.Options) { o.HostPort, o.Logger = hostPort, sdklog.NewStructuredLogger(logger) }
	})
	require.NoError(t, reg.Register(busy))
	require.NoError(t, reg.Register(quick))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))

	ctx := within(t, 4*patience)
	var answers []func() error
	for range 2 * runtime.GOMAXPROCS(0) { // more computing than processors
		started, err := busy.workflow.Start(ctx, c, Text{"busy"})
		require.NoError(t, err)
		answers = append(answers, func() error { _, err := started.Get(ctx); return err })
	}
	select {
	case <-computing:
	case <-ctx.Done():
		require.NoError(t, ctx.Err())
	}
	var took []time.Duration
	for range 40 {
		began := time.Now()
		quick.echo(t, c, "quick")
		took = append(took, time.Since(began))
	}
	close(finish)
	for _, answer := range answers {
		require.NoError(t, answer())
	}
	require.NoError(t, stop())
	slices.Sort(took)
	t.Logf("a workflow with one activity beside it: median %v, slowest %v", took[len(took)/2], took[len(took)-1])
	require.Empty(t, log.with("TMPRL1101"), "a workflow task got no processor for a second")
	require.Empty(t, log.with("deadlock"))
}

// BenchmarkComputingInAWorker compares the library alone with the same work in
// an activity of a live worker, whose server runs in this process too:
//
//	go test -run '^$' -bench ComputingInAWorker -benchtime 20x ./integration
//
// One operation is a pair. worker-ratio is the median of throughput in the
// worker over throughput alone.
func BenchmarkComputingInAWorker(b *testing.B) {
	const layers = 40
	c, err := client.Dial(client.Options{HostPort: hostPort, Logger: sdklog.NewStructuredLogger(silent)})
	require.NoError(b, err)
	b.Cleanup(c.Close)
	l := newLayer(b)
	work := func(ctx context.Context) (time.Duration, error) {
		began := time.Now()
		for range layers {
			if err := l.run(ctx); err != nil {
				return 0, err
			}
		}
		return time.Since(began), nil
	}
	var inside time.Duration
	a := newAgent(b, "busy")
	a.onEcho = func(ctx context.Context, in Text) (_ Text, err error) {
		inside, err = work(ctx)
		return in, err
	}
	reg := newRegistry(hostPort)
	require.NoError(b, reg.Register(a))
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- reg.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		require.NoError(b, <-ended)
	})
	require.NoError(b, reg.WaitReady(ctx))
	_, err = work(ctx)
	require.NoError(b, err)

	var ratios []float64
	b.ResetTimer()
	for i := range b.N {
		alone := func() time.Duration {
			took, err := work(ctx)
			require.NoError(b, err)
			return took
		}
		worker := func() {
			started, err := a.workflow.Start(ctx, c, Text{"x"})
			require.NoError(b, err)
			_, err = started.Get(ctx)
			require.NoError(b, err)
		}
		var took time.Duration
		if i%2 == 0 {
			took = alone()
			worker()
		} else {
			worker()
			took = alone()
		}
		ratios = append(ratios, took.Seconds()/inside.Seconds())
	}
	b.StopTimer()
	ratio, low, high := interval(len(ratios), medianOf(ratios))
	b.ReportMetric(ratio, "worker-ratio")
	b.ReportMetric(low, "worker-ratio-low")
	b.ReportMetric(high, "worker-ratio-high")
}
