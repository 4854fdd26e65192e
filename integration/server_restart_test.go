package integration

import (
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/seed-ab6af24b/troupe/registry"
)

// A registry may start before the server does. When the server is killed and
// comes back over its file, the workers come back by themselves, and work that
// was under way is finished.
func TestServerComesLaterAndRestarts(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	file := filepath.Join(t.TempDir(), "temporal.db")
	a := newAgent(t, "a")
	reg := newRegistry(address, func(o *registry.Options) { o.CheckInterval = 500 * time.Millisecond })
	require.NoError(t, reg.Register(a))
	stop := run(t, reg)
	require.Eventually(t, func() bool {
		s, err := reg.AgentStatus(a.Name())
		return err == nil && s.LastError != nil && s.Restarts > 0
	}, patience, 5*time.Millisecond)

	got, kill := childServer(t, file, port)
	require.Equal(t, address, got)
	require.NoError(t, reg.WaitReady(within(t, patience)))
	c, err := client.NewLazyClient(client.Options{HostPort: address, Logger: sdklog.NewStructuredLogger(silent)})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	a.echo(t, c, "before")

	kill()
	require.Eventually(t, func() bool {
		s, err := reg.AgentStatus(a.Name())
		return err == nil && s.State == registry.StateStarting
	}, 10*time.Second, 5*time.Millisecond, "the loss was not noticed within 10 s")

	_, _ = childServer(t, file, port)
	require.NoError(t, reg.WaitReady(within(t, 30*time.Second)))
	a.echo(t, c, "after")
	s, err := reg.AgentStatus(a.Name())
	require.NoError(t, err)
	require.Error(t, s.LastError)
	require.NoError(t, stop())
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
