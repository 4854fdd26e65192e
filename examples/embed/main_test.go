package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/agent/devserver/devservertest"
	"github.com/seed-ab6af24b/troupe/foogpt"
	foogptapi "github.com/seed-ab6af24b/troupe/foogpt/api"
	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt"
)

// temporal is the client that the service has already.
var temporal client.Client

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	return devservertest.Run(m, func(address string) (err error) {
		temporal, err = client.Dial(client.Options{HostPort: address, Logger: sdklog.NewStructuredLogger(slog.Default())})
		return err
	}, func() {
		temporal.Close()
		http.DefaultClient.CloseIdleConnections()
	})
}

// start serves until the test or the returned function, which returns what serve
// did, ends it.
func start(t *testing.T, agents ...agent.Agent) (url string, stop context.CancelFunc, ended <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	result := make(chan error, 1)
	go func() { result <- serve(ctx, l, temporal, agents) }()
	return "http://" + l.Addr().String(), stop, result
}

// answer is what came back for a request.
type answer struct {
	status int
	body   string
	err    error
}

func post(url, body string) answer {
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	return answer{r.StatusCode, string(data), err}
}

// ready returns what the operations endpoint answers, 0 if nothing.
func ready(url string) int {
	r, err := http.Get(url + "/v2/health/ready")
	if err != nil {
		return 0
	}
	defer r.Body.Close()
	return r.StatusCode
}

const bCells = `{"clusters": [{"id": "0", "genes": ["CD79A", "MS4A1"]}]}`

func TestRequests(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile("../../testdata/cells/pbmc68k_test.h5ad")
	require.NoError(t, err)
	cells := filepath.Join(dir, "cells.h5ad")
	require.NoError(t, os.WriteFile(cells, data, 0o644))
	analysis := func(file string) string {
		body, err := json.Marshal(map[string]string{"expression_data": file})
		require.NoError(t, err)
		return string(body)
	}
	url, stop, ended := start(t, foogpt.New(),
		scgpt.New(scgpt.Options{Models: "../../testdata/models", DefaultModel: "tiny_scgpt", Roots: []string{dir}}))
	// A request waits maxWait, within which a slow machine might not get ready.
	require.Eventually(t, func() bool { return ready(url) == http.StatusOK }, time.Minute, 10*time.Millisecond)
	cases := []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"clusters", "/clusters", bCells, 200, `"name":"B cell"`},
		{"analysis", "/analyses", analysis(cells), 200, `"status":"complete"`},
		{"refused here", "/clusters", `{"clusters": []}`, 400, `clusters is empty: want at least one","type":"InvalidDataError"`},
		{"refused by the activity", "/clusters", strings.Replace(bCells, "{", `{"tissue": "knee", `, 1), 400, `tissue = \"knee\"`},
		{"not JSON", "/clusters", `clusters`, 400, `"type":"InvalidDataError"`},
		{"unknown field", "/clusters", `{"cluster": []}`, 400, `unknown field \"cluster\"`},
		{"too large", "/clusters", bCells[:1] + strings.Repeat(" ", agent.MaxPayloadBytes) + bCells[1:], 400, "too large"},
		{"no such file", "/analyses", analysis(filepath.Join(dir, "none.h5ad")), 404, `"type":"FileNotFoundError"`},
		{"wrong method", "/", ``, 405, "Method Not Allowed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := post(url+c.path, c.body)
			require.NoError(t, got.err)
			require.Equal(t, c.status, got.status, got.body)
			require.Contains(t, got.body, c.want)
		})
	}
	require.Equal(t, http.StatusOK, ready(url))

	stop()
	require.NoError(t, <-ended)
}

// slow is an agent in foogpt's place whose activity waits to be released.
type slow struct {
	agent.Base
	began, release chan struct{}
}

func (s slow) Workflows() []agent.Binding {
	return agent.Bind(foogptapi.Naming.To(func(ctx workflow.Context, req foogptapi.NameClustersRequest) (foogptapi.NamingWorkflowResult, error) {
		named, err := foogptapi.NameClusters.Execute(ctx, req)
		return foogptapi.NamingWorkflowResult{Status: foogptapi.StatusComplete, NameClustersResponse: named}, err
	}))
}

func (s slow) Activities() []agent.Binding {
	return agent.Bind(foogptapi.NameClusters.To(func(context.Context, foogptapi.NameClustersRequest) (foogptapi.NameClustersResponse, error) {
		close(s.began)
		<-s.release
		return foogptapi.NameClustersResponse{Method: "patience"}, nil
	}))
}

// A signal ends the service in order: a request under way still gets the answer
// of its agent, and the client of the service stays open until the end.
func TestShutdown(t *testing.T) {
	s := slow{foogptapi.Domain.Base(), make(chan struct{}), make(chan struct{})}
	url, stop, ended := start(t, s)
	answered := make(chan answer, 1)
	go func() { answered <- post(url+"/clusters", bCells) }()
	<-s.began

	stop()
	require.Eventually(t, func() bool { return post(url+"/clusters", bCells).err != nil }, 10*time.Second, time.Millisecond,
		"requests are accepted after the signal")
	select {
	case err := <-ended:
		t.Fatalf("the service ended with a request under way: %v", err)
	default:
	}
	close(s.release)
	got := <-answered
	require.NoError(t, got.err)
	require.Equal(t, 200, got.status, got.body)
	require.Contains(t, got.body, `"method":"patience"`)
	require.NoError(t, <-ended)
	_, err := temporal.CheckHealth(t.Context(), &client.CheckHealthRequest{})
	require.NoError(t, err)
}

// A request does not wait for ever: nobody polls this queue.
func TestSlowWorkflow(t *testing.T) {
	w := agent.NewWorkflow[string, string](agent.Domain{Name: "nobody", TaskQueue: "nobody-tasks"}, "Forgotten", agent.WithID("forgotten-1"))
	rw := httptest.NewRecorder()
	execute(temporal, w, 100*time.Millisecond)(rw, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`"hello"`)))
	require.Equal(t, http.StatusAccepted, rw.Code)
	require.JSONEq(t, `{"workflow_id": "forgotten-1"}`, rw.Body.String())
	require.NoError(t, w.Get(temporal, "forgotten-1", "").Terminate(t.Context(), "end of the test"))
}

func TestFailures(t *testing.T) {
	for class, want := range map[retry.Class]int{
		retry.InvalidData: 400, retry.ModelNotFound: 404, retry.RateLimited: 429, retry.OutOfMemory: 503,
	} {
		rw := httptest.NewRecorder()
		fail(rw, class.Errorf("no"), http.StatusServiceUnavailable)
		require.Equal(t, want, rw.Code)
		require.JSONEq(t, fmt.Sprintf(`{"type": %q, "error": "no"}`, class), rw.Body.String())
	}
	require.Error(t, serve(t.Context(), closedListener(t), temporal, []agent.Agent{foogpt.New()}), "serves on a closed listener")
	require.ErrorContains(t, serve(t.Context(), closedListener(t), temporal, []agent.Agent{foogpt.New(), foogpt.New()}), "name is taken")
}

func closedListener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l
}
