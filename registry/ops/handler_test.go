package ops

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var domain = agent.Domain{Name: "greeter", TaskQueue: "greeter-tasks", Retry: retry.API()}

type greeter struct{ agent.Base }

func (greeter) Workflows() []agent.Binding {
	return agent.Bind(agent.NewWorkflow[struct{}, struct{}](domain, "Hello").To(
		func(workflow.Context, struct{}) (struct{}, error) { return struct{}{}, nil }))
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	empty := registry.New(registry.Options{})
	waiting := registry.New(registry.Options{})
	require.NoError(t, waiting.Register(greeter{domain.Base()}))
	cases := []struct {
		reg          *registry.Registry
		method, path string
		status       int
		body         string // JSON, "" for any
	}{
		{empty, "GET", "/v2/health/live", 200, `{"live": true}`},
		{empty, "GET", "/v2/health/ready", 503, `{"ready": false}`},
		{empty, "GET", "/agents", 200, `[]`},
		{empty, "GET", "/agents/greeter", 404, `{"error": "no agent \"greeter\": none is registered"}`},
		{waiting, "GET", "/v2/health/live", 200, `{"live": true}`},
		{waiting, "GET", "/v2/health/ready", 503, `{"ready": false, "missing": {"greeter": "new"}}`},
		{waiting, "GET", "/v2/models/greeter/ready", 503, `{"name": "greeter", "ready": false, "missing": "new"}`},
		{waiting, "GET", "/v2/models/nobody/ready", 404, `{"error": "no agent \"nobody\": registered are \"greeter\""}`},
		{waiting, "HEAD", "/v2/health/live", 200, ""},
		{waiting, "POST", "/v2/health/live", 405, ""},
		{waiting, "DELETE", "/agents/greeter", 405, ""},
		{waiting, "GET", "/", 404, ""},
	}
	for _, c := range cases {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			w := httptest.NewRecorder()
			Handler(c.reg).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil))
			require.Equal(t, c.status, w.Code)
			if c.body != "" {
				require.JSONEq(t, c.body, w.Body.String())
				require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			}
		})
	}
}

func TestAgentStatus(t *testing.T) {
	t.Parallel()
	reg := registry.New(registry.Options{})
	require.NoError(t, reg.Register(greeter{domain.Base()}, registry.WithNamespace("team")))
	w := httptest.NewRecorder()
	Handler(reg).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/agents/greeter", nil))
	var got map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	since, err := time.Parse(time.RFC3339Nano, got["since"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), since, time.Minute)
	delete(got, "since")
	require.Equal(t, map[string]any{
		"agent": "greeter", "task_queue": "greeter-tasks", "namespace": "team", "state": "new", "ready": false,
		"restarts": 0.0, "workflows": []any{"Hello"}, "activities": []any{}, "running": []any{},
	}, got)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	status := func(name string, s registry.State, doing string, err error) registry.Status {
		return registry.Status{Agent: name, State: s, Ready: s == registry.StateReady, Doing: doing, LastError: err}
	}
	good := status("good", registry.StateReady, "", errors.New("long ago"))
	starting := status("starting", registry.StateStarting, "connecting to x", context.DeadlineExceeded)
	failed := status("failed", registry.StateFailed, "", errors.New("corrupt"))
	why := map[string]string{"starting": "starting: connecting to x: context deadline exceeded", "failed": "failed: corrupt"}
	cases := map[string]struct {
		all         []registry.Status
		live, ready bool
		missing     []string
	}{
		"all ready":    {[]registry.Status{good}, true, true, nil},
		"one starting": {[]registry.Status{good, starting}, true, false, []string{"starting"}},
		"one failed":   {[]registry.Status{good, failed}, true, false, []string{"failed"}},
		"all failed":   {[]registry.Status{failed}, false, false, []string{"failed"}},
		"none ready":   {[]registry.Status{starting, failed}, true, false, []string{"starting", "failed"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l, r := liveness(c.all), readiness(c.all)
			require.Equal(t, c.live, l.Live)
			require.Equal(t, c.ready, r.Ready)
			missing := map[string]string{}
			for _, name := range c.missing {
				missing[name] = why[name]
			}
			require.Equal(t, missing, r.Missing)
			if !c.live {
				require.Equal(t, missing, l.Missing)
			}
		})
	}
}
