package integration

import (
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/registry"
)

// outage is how long the server is away.
const outage = 10 * time.Second

// A registry may start before the server does. When the server is killed, and
// comes back after a while over its file, all workers come back by themselves,
// and work that was under way is finished.
func TestServerComesLaterAndRestarts(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	file := filepath.Join(t.TempDir(), "temporal.db")
	agents := []*testAgent{newAgent(t, "a"), newAgent(t, "b"), newAgent(t, "c")}
	reg := newRegistry(address, func(o *registry.Options) { o.CheckInterval = 500 * time.Millisecond })
	for _, a := range agents {
		a.onWorkflow = sleep
		require.NoError(t, reg.Register(a))
	}
	stop := run(t, reg)
	requireAll(t, reg, patience, "the registry did not try to start", func(s registry.Status) bool {
		return s.LastError != nil && s.Restarts > 0
	})

	got, kill := childServer(t, file, port)
	require.Equal(t, address, got)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	c, err := client.NewLazyClient(client.Options{HostPort: address, Logger: silentSDK})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	var asleep []agent.Run[Text]
	for _, a := range agents {
		a.echo(t, c, "before")
		// One wakes while the server is away, one after its return.
		for _, d := range []time.Duration{outage / 2, outage + 5*time.Second} {
			started, err := a.workflow.Start(within(t, patience), c, Text{d.String()})
			require.NoError(t, err)
			requireTimer(t, c, started.ID())
			asleep = append(asleep, started)
		}
	}

	kill()
	restart := time.After(outage)
	requireAll(t, reg, 10*time.Second, "the loss was not noticed within 10 s", func(s registry.Status) bool {
		return s.State == registry.StateStarting && !s.Ready
	})
	<-restart
	_, _ = childServer(t, file, port)
	require.NoError(t, reg.WaitReady(within(t, 2*patience)))
	for _, a := range agents {
		a.echo(t, c, "after")
	}
	for _, w := range asleep {
		_, err := w.Get(within(t, 2*patience))
		require.NoError(t, err)
	}
	requireAll(t, reg, patience, "the outage left no trace", func(s registry.Status) bool { return s.Ready && s.LastError != nil })
	require.NoError(t, stop())
}

// sleep is for workflows whose text says how long.
func sleep(ctx workflow.Context, in Text) {
	if d, err := time.ParseDuration(in.Text); err == nil {
		_ = workflow.Sleep(ctx, d) // its only error is a cancellation
	}
}

// requireAll waits until something holds for all agents.
func requireAll(t *testing.T, reg *registry.Registry, patience time.Duration, otherwise string, holds func(registry.Status) bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, s := range reg.Status() {
			if !holds(s) {
				return false
			}
		}
		return true
	}, patience, 5*time.Millisecond, otherwise)
}

// requireTimer waits until the workflow has a timer.
func requireTimer(t *testing.T, c client.Client, id string) {
	t.Helper()
	require.Eventually(t, func() bool {
		return len(eventsOf(t, c, id, enumspb.EVENT_TYPE_TIMER_STARTED)) == 1
	}, patience, 5*time.Millisecond, "the workflow has no timer")
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
