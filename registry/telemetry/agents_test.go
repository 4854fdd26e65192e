package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/registry"
)

func TestAgents(t *testing.T) {
	t.Parallel()
	tel, err := New(Options{})
	require.NoError(t, err)
	reg := registry.New(registry.Options{
		Observer: tel,
		Logger:   slog.New(slog.DiscardHandler),
		Dial:     func(context.Context, string) (client.Client, error) { return nil, errors.New("no server") },
		BackOff:  registry.BackOff{Initial: time.Millisecond, Max: time.Millisecond},
	})
	require.NotContains(t, scrape(t, tel.Handler()), "troupe_agent_ready", "no agents")
	require.NoError(t, reg.Register(newTestAgent()))

	states := func(in string) map[string]float64 {
		all := map[string]float64{}
		for _, s := range []string{"new", "starting", "ready", "draining", "stopped", "failed"} {
			all["agent=worker state="+s] = 0
		}
		all["agent=worker state="+in] = 1
		return all
	}
	got := scrape(t, tel.Handler())
	require.Equal(t, states("new"), values(got["troupe_agent_state"], "agent", "state"))
	require.Equal(t, map[string]float64{"agent=worker": 0}, values(got["troupe_agent_ready"], "agent"))
	require.Equal(t, map[string]float64{"agent=worker": 0}, values(got["troupe_agent_restarts_total"], "agent"))
	require.Equal(t, map[string]float64{"agent=worker activity=work": 0}, values(got["troupe_activity_running"], "agent", "activity"))

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- reg.Run(ctx) }()
	require.Eventually(t, func() bool { return reg.Status()[0].Restarts >= 2 }, 5*time.Second, time.Millisecond)
	got = scrape(t, tel.Handler())
	require.Equal(t, states("starting"), values(got["troupe_agent_state"], "agent", "state"))
	require.GreaterOrEqual(t, values(got["troupe_agent_restarts_total"], "agent")["agent=worker"], 2.0)
	cancel()
	require.NoError(t, <-ended)
	require.Equal(t, states("stopped"), values(scrape(t, tel.Handler())["troupe_agent_state"], "agent", "state"))
}

func TestRunningOf(t *testing.T) {
	t.Parallel()
	s := registry.Status{Activities: []string{"a", "b"}, Running: []registry.RunningActivity{{Type: "a"}, {Type: "a"}}}
	require.Equal(t, map[string]int64{"a": 2, "b": 0}, runningOf(s))
}
