package integration

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"github.com/seed-ab6af24b/troupe/agent/devserver"
	"github.com/seed-ab6af24b/troupe/registry"
)

// many is how many agents one process has here.
const many = 50

// connections counts the connections to a server that clients have open.
type connections struct{ open atomic.Int64 }

// apply lets a client count.
func (c *connections) apply(o *client.Options) {
	o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions,
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err != nil {
				return nil, err
			}
			c.open.Add(1)
			return &countedConn{Conn: conn, open: &c.open}, nil
		}))
}

type countedConn struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// manyAgents returns a registry with that many agents, each with a client of its
// own, or all with one.
func manyAgents(t testing.TB, address string, counted *connections, oneClient bool) (*registry.Registry, []*testAgent) {
	t.Helper()
	o := registry.Options{Logger: silent}
	to := func(o *client.Options) {
		o.HostPort = address
		counted.apply(o)
	}
	if oneClient {
		var opts client.Options
		to(&opts)
		opts.Logger = silentSDK
		c, err := client.Dial(opts)
		require.NoError(t, err)
		t.Cleanup(c.Close)
		o.Client = c
	} else {
		o.ClientOptions = to
	}
	reg := registry.New(o)
	agents := make([]*testAgent, many)
	for i := range agents {
		agents[i] = newAgent(t, fmt.Sprint(i))
		require.NoError(t, reg.Register(agents[i]))
	}
	return reg, agents
}

// Fifty agents in one process work, each for itself, and leave nothing behind.
func TestManyAgents(t *testing.T) {
	t.Parallel()
	for name, oneClient := range map[string]bool{"a client each": false, "one client": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientTo(t, hostPort)
			var counted connections
			reg, agents := manyAgents(t, hostPort, &counted, oneClient)
			stop := run(t, reg)
			require.NoError(t, reg.WaitReady(within(t, patience)))
			want := int64(many)
			if oneClient {
				want = 1
			}
			require.Equal(t, want, counted.open.Load())
			for _, a := range agents {
				a.echo(t, c, a.Name())
			}
			for _, a := range agents[:many/2] {
				require.NoError(t, reg.Remove(within(t, patience), a.Name()))
			}
			require.Len(t, reg.Status(), many/2)
			for _, a := range agents[many/2:] {
				a.echo(t, c, "still here")
			}
			require.NoError(t, stop())
			if !oneClient {
				require.Zero(t, counted.open.Load())
			}
		})
	}
}

// BenchmarkManyAgents starts fifty agents, idle ones, until all are ready, and
// stops them:
//
//	go test -run '^$' -bench ManyAgents -benchtime 10x ./integration
//
// It reports the median times, and what an agent has while it is ready:
// goroutines of this process, and connections to the server.
func BenchmarkManyAgents(b *testing.B) {
	for _, c := range []struct {
		name      string
		oneClient bool
	}{{"client-each", false}, {"one-client", true}} {
		b.Run(c.name, func(b *testing.B) {
			address, _ := childServer(b, "", devserver.AnyPort) // another process: its goroutines do not count
			var starts, stops, goroutines []float64
			var conns int64
			for b.Loop() {
				var counted connections
				reg, _ := manyAgents(b, address, &counted, c.oneClient)
				before := runtime.NumGoroutine()
				ctx, cancel := context.WithCancel(b.Context())
				ended := make(chan error, 1)
				began := time.Now()
				go func() { ended <- reg.Run(ctx) }()
				require.NoError(b, reg.WaitReady(ctx))
				starts = append(starts, time.Since(began).Seconds())
				goroutines = append(goroutines, float64(runtime.NumGoroutine()-before)/many)
				conns = counted.open.Load()
				began = time.Now()
				cancel()
				require.NoError(b, <-ended)
				stops = append(stops, time.Since(began).Seconds())
			}
			b.ReportMetric(median(starts), "start-s")
			b.ReportMetric(median(stops), "stop-s")
			b.ReportMetric(median(goroutines), "goroutines/agent")
			b.ReportMetric(float64(conns)/many, "connections/agent")
			b.ReportMetric(0, "ns/op") // of both together: says nothing
		})
	}
}

// runForBenchmark runs the registry until the benchmark ends.
func runForBenchmark(b *testing.B, reg *registry.Registry) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- reg.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		require.NoError(b, <-ended)
	})
	require.NoError(b, reg.WaitReady(b.Context()))
}
