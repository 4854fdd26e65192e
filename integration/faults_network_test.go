package integration

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/registry"
)

// proxy passes connections on to the server, as long as its line is good.
type proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	pairs map[*pair]struct{}
	work  sync.WaitGroup

	refusing atomic.Bool
	held     atomic.Pointer[chan struct{}] // what is to be passed on waits until it is closed
	drip     atomic.Bool                   // a byte at a time
	bytes    atomic.Int64
}

// pair is a connection and the one that it is passed on to.
type pair struct{ from, to *net.TCPConn }

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, to: to, pairs: map[*pair]struct{}{}}
	p.work.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.resume()
		p.cut(false)
		p.work.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		from := conn.(*net.TCPConn)
		if p.refusing.Load() {
			_ = from.Close()
			continue
		}
		conn, err = net.Dial("tcp", p.to)
		if err != nil {
			_ = from.Close()
			continue
		}
		both := &pair{from, conn.(*net.TCPConn)}
		p.mu.Lock()
		p.pairs[both] = struct{}{}
		p.mu.Unlock()
		p.work.Go(func() { p.pass(both, both.from, both.to) })
		p.work.Go(func() { p.pass(both, both.to, both.from) })
	}
}

func (p *proxy) pass(both *pair, from io.Reader, to io.Writer) {
	defer p.end(both, false)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if held := p.held.Load(); held != nil {
			<-*held
		}
		for rest := buffer[:n]; len(rest) > 0; {
			now := rest
			if p.drip.Load() {
				now = rest[:1]
				time.Sleep(200 * time.Microsecond)
			}
			if _, err := to.Write(now); err != nil {
				return
			}
			p.bytes.Add(int64(len(now)))
			rest = rest[len(now):]
		}
	}
}

// end closes a pair; with reset, so that the peers are told at once.
func (p *proxy) end(both *pair, reset bool) bool {
	p.mu.Lock()
	_, open := p.pairs[both]
	delete(p.pairs, both)
	p.mu.Unlock()
	if !open {
		return false
	}
	for _, c := range []*net.TCPConn{both.from, both.to} {
		if reset {
			_ = c.SetLinger(0)
		}
		_ = c.Close()
	}
	return true
}

// cut ends all connections, and counts them.
func (p *proxy) cut(reset bool) (n int) {
	p.mu.Lock()
	var all []*pair
	for both := range p.pairs {
		all = append(all, both)
	}
	p.mu.Unlock()
	for _, both := range all {
		if p.end(both, reset) {
			n++
		}
	}
	return n
}

// open counts the connections.
func (p *proxy) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
}

func (p *proxy) hold() { held := make(chan struct{}); p.held.Store(&held) }

func (p *proxy) resume() {
	if held := p.held.Swap(nil); held != nil {
		close(*held)
	}
}

// Whatever happens to the line between worker and server, the worker recovers by
// itself, and work that had begun is finished.
func TestFaultNetwork(t *testing.T) {
	t.Parallel()
	away := time.Duration(often(3, 30)) * time.Second
	cases := map[string]struct {
		strike func(t *testing.T, p *proxy) (connections int)
		heal   func(p *proxy)
	}{
		"stall": {
			func(_ *testing.T, p *proxy) int { p.hold(); return p.open() },
			func(p *proxy) { p.resume() },
		},
		"drop": {
			func(_ *testing.T, p *proxy) int { p.refusing.Store(true); return p.cut(false) },
			func(p *proxy) { p.refusing.Store(false) },
		},
		"reset": {
			func(_ *testing.T, p *proxy) int { return p.cut(true) },
			func(*proxy) {},
		},
		"slow drip": {
			func(_ *testing.T, p *proxy) int { p.drip.Store(true); return p.open() },
			func(p *proxy) { p.drip.Store(false) },
		},
	}
	for name, fault := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, hostPort)
			a := newAgent(t, "a")
			begun, finish := make(chan struct{}, 10), make(chan struct{})
			a.onEcho = func(ctx context.Context, in Text) (Text, error) {
				if in.Text == "long" {
					begun <- struct{}{}
					<-finish
				}
				return in, nil
			}
			reg := newRegistry(p.address(), func(o *registry.Options) { o.CheckInterval = 500 * time.Millisecond })
			require.NoError(t, reg.Register(a))
			stop := run(t, reg)
			require.NoError(t, reg.WaitReady(within(t, patience)))
			c := clientTo(t, hostPort)
			ctx := within(t, 2*patience+2*away)
			long, err := a.workflow.Start(ctx, c, Text{"long"})
			require.NoError(t, err)
			<-begun

			before := p.bytes.Load()
			struck := fault.strike(t, p)
			require.Positive(t, struck, "no connection was hit")
			close(finish) // the result meets the fault
			meanwhile, err := a.workflow.Start(ctx, c, Text{"meanwhile"})
			require.NoError(t, err)
			healed := time.After(away)
			<-healed
			fault.heal(p)
			for _, w := range []interface {
				Get(context.Context) (Text, error)
			}{long, meanwhile} {
				_, err := w.Get(ctx)
				require.NoError(t, err)
			}
			require.NoError(t, reg.WaitReady(ctx))
			a.echo(t, c, "after")
			t.Logf("%d connections hit, %d bytes passed on since", struck, p.bytes.Load()-before)
			require.Greater(t, p.bytes.Load(), before)
			require.NoError(t, stop())
		})
	}
}

// The server is killed and started again on its file, while workflows begin and
// end: all complete, and none twice.
func TestFaultServerKills(t *testing.T) {
	t.Parallel()
	kills := often(3, 20)
	port := freePort(t)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	file := filepath.Join(t.TempDir(), "temporal.db")
	_, kill := childServer(t, file, port)
	a := newAgent(t, "a")
	var mu sync.Mutex
	runs := map[string]int{} // of the activity, by workflow
	a.onWorkflow = func(ctx workflow.Context, _ Text) {
		_ = workflow.Sleep(ctx, 500*time.Millisecond) // so that some are open at each kill; its only error is a cancellation
	}
	a.onEcho = func(_ context.Context, in Text) (Text, error) {
		mu.Lock()
		defer mu.Unlock()
		runs[in.Text]++
		return in, nil
	}
	reg := newRegistry(address, func(o *registry.Options) {
		o.CheckInterval = 500 * time.Millisecond
		o.BackOff = registry.BackOff{Initial: 10 * time.Millisecond, Max: 500 * time.Millisecond}
	})
	require.NoError(t, reg.Register(a))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	c, err := client.NewLazyClient(client.Options{HostPort: address, Logger: silentSDK})
	require.NoError(t, err)
	t.Cleanup(c.Close)

	const each = 20 // workflows between two kills
	ctx := within(t, faultPatience(kills))
	var ids []string
	start := func() {
		id := a.Name() + "-" + strconv.Itoa(len(ids))
		require.Eventually(t, func() bool {
			try, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			// A start whose answer was lost is found to have happened.
			_, err := c.ExecuteWorkflow(try, client.StartWorkflowOptions{
				ID: id, TaskQueue: a.TaskQueue(),
				WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
				WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
			}, a.workflow.Name(), Text{id})
			return err == nil || isStarted(err)
		}, faultPatience(1), 20*time.Millisecond, "workflow %s cannot be started", id)
		ids = append(ids, id)
	}
	running := func() (n int) {
		for _, id := range ids[len(ids)-each:] {
			d, err := c.DescribeWorkflowExecution(ctx, id, "")
			require.NoError(t, err)
			if d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				n++
			}
		}
		return n
	}
	open := 0
	for range kills {
		// The worker is back from the last time, and at work.
		require.NoError(t, reg.WaitReady(ctx))
		for range each {
			start()
		}
		n := running()
		require.Positive(t, n, "no workflow was open when the server was killed")
		open += n
		kill()
		_, kill = childServer(t, file, port)
	}
	for range each {
		start()
	}
	for _, id := range ids {
		var out Text
		require.NoError(t, c.GetWorkflow(ctx, id, "").Get(ctx, &out), id)
		require.Equal(t, id, out.Text)
	}
	// An activity whose end the server did not hear of is run again, and nothing else is.
	again, executions := 0, 0
	mu.Lock()
	for _, id := range ids {
		require.Positive(t, runs[id], id)
		again += runs[id] - 1
	}
	mu.Unlock()
	require.LessOrEqual(t, again, open)
	require.Eventually(t, func() bool {
		n, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: `TaskQueue = "` + a.TaskQueue() + `"`})
		executions = int(n.GetCount())
		return err == nil && executions >= len(ids)
	}, patience, 20*time.Millisecond)
	require.Equal(t, len(ids), executions, "workflows that were started twice")
	t.Logf("%d kills, %d workflows open at them, %d workflows, all completed; %d activities ran a second time", kills, open, len(ids), again)
	require.NoError(t, stop())
}

func isStarted(err error) bool {
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	return errors.As(err, &already)
}
