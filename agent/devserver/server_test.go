package devserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchpb "go.temporal.io/api/batch/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/durationpb"
)

var (
	attributes = map[string]enumspb.IndexedValueType{
		"Tissue": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"Donor":  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"Cells":  enumspb.INDEXED_VALUE_TYPE_INT,
	}
	tissue = temporal.NewSearchAttributeKeyKeyword("Tissue")
	cells  = temporal.NewSearchAttributeKeyInt64("Cells")
)

func TestStartInMemory(t *testing.T) {
	t.Parallel()
	s := start(t, Options{UIPort: NoUI, Namespaces: []string{"lab", DefaultNamespace}})
	require.False(t, s.Used())
	require.Empty(t, s.Notices())
	require.Empty(t, s.UIURL())
	require.Empty(t, s.WorkflowURL("lab", "w", "r"))

	for _, namespace := range []string{"", DefaultNamespace, "lab"} {
		t.Run("namespace "+namespace, func(t *testing.T) {
			c := dial(t, s.HostPort(), namespace)
			startWorker(t, c)
			requireHello(t, c)
		})
	}
}

// A client without an address dials localhost:7233.
func TestStartOnDefaultPorts(t *testing.T) {
	for _, port := range []int{DefaultPort, DefaultUIPort} {
		if listening(t.Context(), hostPort(DefaultHost, port)) {
			t.Skipf("port %d of this machine is taken", port)
		}
	}
	s, err := Start(t.Context(), Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	require.Equal(t, "127.0.0.1:7233", s.HostPort())
	require.Equal(t, "http://127.0.0.1:8233", s.UIURL())

	c := dial(t, "", "")
	startWorker(t, c)
	requireHello(t, c)
}

func TestServersInMemoryAreApart(t *testing.T) {
	t.Parallel()
	a, b := dial(t, start(t, Options{}).HostPort(), ""), dial(t, start(t, Options{}).HostPort(), "")
	_, err := a.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "one", TaskQueue: queue}, hello, "Ada")
	require.NoError(t, err)
	_, err = b.DescribeWorkflow(t.Context(), "one", "")
	notFound := new(serviceerror.NotFound)
	require.ErrorAs(t, err, &notFound)
}

func TestSearchAttributes(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Namespaces: []string{"lab"}, SearchAttributes: attributes})
	for _, namespace := range []string{DefaultNamespace, "lab"} {
		requireSearchAttributes(t, dial(t, s.HostPort(), namespace))
	}
}

// requireSearchAttributes starts a workflow with search attributes and finds it by them.
func requireSearchAttributes(t *testing.T, c client.Client) {
	t.Helper()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		TaskQueue:             queue,
		TypedSearchAttributes: temporal.NewSearchAttributes(tissue.ValueSet("blood"), cells.ValueSet(2638)),
	}, hello, "Ada")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		found, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: `Tissue = "blood" AND Cells > 2000 AND Donor IS NULL`,
		})
		return err == nil && slices.ContainsFunc(found.Executions, func(e *workflowpb.WorkflowExecutionInfo) bool {
			return e.GetExecution().GetRunId() == run.GetRunID()
		})
	}, 10*time.Second, 10*time.Millisecond)
}

func TestNamespaceOfAClient(t *testing.T) {
	t.Parallel()
	s := start(t, Options{})
	namespaces, err := client.NewNamespaceClient(client.Options{HostPort: s.HostPort(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(namespaces.Close)
	require.NoError(t, namespaces.Register(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace:                        "late",
		WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	}))
	c := dial(t, s.HostPort(), "late")
	startWorker(t, c)
	requireHello(t, c)
}

// Schedules need the system's workers of a namespace.
func TestSchedule(t *testing.T) {
	t.Parallel()
	s := start(t, Options{})
	c := dial(t, s.HostPort(), "")
	startWorker(t, c)
	_, err := c.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
		ID:                 "now",
		TriggerImmediately: true,
		Action:             &client.ScheduleWorkflowAction{ID: "scheduled", Workflow: hello, TaskQueue: queue, Args: []any{"Ada"}},
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		found, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: `WorkflowType = "hello" AND ExecutionStatus = "Completed"`,
		})
		return err == nil && len(found.Executions) == 1
	}, 20*time.Second, 20*time.Millisecond)
}

func TestBatchOperation(t *testing.T) {
	t.Parallel()
	s := start(t, Options{})
	c := dial(t, s.HostPort(), "")
	startWorker(t, c)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: queue}, waitForWord)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		n, err := c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: `WorkflowType = "waitForWord"`})
		return err == nil && n.Count == 1
	}, 10*time.Second, 10*time.Millisecond)
	_, err = c.WorkflowService().StartBatchOperation(t.Context(), &workflowservice.StartBatchOperationRequest{
		Namespace:       DefaultNamespace,
		JobId:           "all",
		Reason:          "test",
		VisibilityQuery: `WorkflowType = "waitForWord"`,
		Operation: &workflowservice.StartBatchOperationRequest_TerminationOperation{
			TerminationOperation: &batchpb.BatchOperationTermination{},
		},
	})
	require.NoError(t, err)
	var terminated *temporal.TerminatedError
	require.ErrorAs(t, run.Get(t.Context(), nil), &terminated)
}

func TestStartUsesARunningServer(t *testing.T) {
	t.Parallel()
	first := start(t, Options{})
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	dbFile := filepath.Join(t.TempDir(), "unused.db")

	for _, test := range []struct {
		name   string
		uiPort int
		uiURL  string
	}{
		{"no UI", NoUI, ""},
		{"same UI", portOf(t, first.UIURL()), first.UIURL()},
		{"UI on the port of another program", portOf(t, web.URL), "another"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := Start(t.Context(), Options{
				Port:             portOf(t, first.HostPort()),
				UIPort:           test.uiPort,
				DBFile:           dbFile,
				Namespaces:       []string{"more"},
				SearchAttributes: attributes,
			})
			require.NoError(t, err)
			require.True(t, s.Used())
			require.Equal(t, first.HostPort(), s.HostPort())
			require.Equal(t, "using the Temporal server that already runs at "+first.HostPort()+
				", so the database file "+dbFile+" is not opened", s.Notices()[0])
			require.NoFileExists(t, dbFile)
			if test.uiURL == "another" {
				require.Len(t, s.Notices(), 2)
				require.NotEqual(t, first.UIURL(), s.UIURL())
				require.Contains(t, get(t, s.UIURL()+"/api/v1/namespaces"), `"name": "more"`)
			} else {
				require.Equal(t, test.uiURL, s.UIURL())
			}
			c := dial(t, s.HostPort(), "more")
			requireSearchAttributes(t, c)
			require.NoError(t, s.Stop())

			startWorker(t, c)
			requireHello(t, c)
		})
	}

	t.Run("search attribute of another type", func(t *testing.T) {
		_, err := Start(t.Context(), Options{
			Port:             portOf(t, first.HostPort()),
			UIPort:           NoUI,
			Namespaces:       []string{"more"},
			SearchAttributes: map[string]enumspb.IndexedValueType{"Tissue": enumspb.INDEXED_VALUE_TYPE_INT},
		})
		require.ErrorContains(t, err, `namespace "default" of `+first.HostPort())
		require.ErrorContains(t, err, `search attribute "Tissue" exists with the type Keyword, so it can't be a Int`)
	})
}

func TestStartBesideAnotherProgram(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, silent.Close()) })
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	other := start(t, Options{})

	for name, addr := range map[string]string{
		"silent":         silent.Addr().String(),
		"web server":     web.Listener.Addr().String(),
		"UI of Temporal": other.UIURL(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := portOf(t, addr)
			s := start(t, Options{Port: port, UIPort: portOf(t, other.HostPort())})
			require.False(t, s.Used())
			require.NotEqual(t, port, portOf(t, s.HostPort()))
			require.Equal(t, []string{
				fmt.Sprintf("the Temporal server listens on %s instead of port %d: it is taken by another program", s.HostPort(), port),
				fmt.Sprintf("the web UI is at %s instead of port %d: it is taken by another program", s.UIURL(), portOf(t, other.HostPort())),
			}, s.Notices())
			c := dial(t, s.HostPort(), "")
			startWorker(t, c)
			requireHello(t, c)
		})
	}
}

// A port that is free when it is chosen may be taken when the server binds it.
func TestStartChoosesAgain(t *testing.T) {
	t.Parallel()
	port, err := freePort(DefaultHost)
	require.NoError(t, err)
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", childPort, port))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Regexp(t, fmt.Sprintf(`^the Temporal server listens on 127\.0\.0\.1:\d+ instead of port %d: it is taken by another program\n$`, port), string(out))
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "t.db")

	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		because := errors.New("because")
		cancel(because)
		_, err := Start(ctx, Options{Port: AnyPort, DBFile: file})
		require.ErrorIs(t, err, because)
	})
	for _, message := range []string{"Created gRPC listener", "frontend starting", "worker service started"} {
		t.Run("at "+message, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			canceller := &onRecord{message: message, do: cancel}
			_, err := Start(ctx, Options{Port: AnyPort, DBFile: file, Logger: slog.New(canceller)})
			require.ErrorIs(t, err, context.Canceled)
			require.NoFileExists(t, file+"-wal", "the file is still open")
		})
	}
	t.Run("later", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := Start(ctx, Options{Port: AnyPort, DBFile: file})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Stop()) })
		cancel()
		c := dial(t, s.HostPort(), "")
		startWorker(t, c)
		requireHello(t, c)
	})
}

func TestStartOnAForeignAddress(t *testing.T) {
	t.Parallel()
	// 192.0.2.0/24 is for documentation: no machine has it.
	_, err := Start(t.Context(), Options{Host: "192.0.2.1"})
	require.ErrorContains(t, err, "devserver: start: no free port on 192.0.2.1: ")
}

func TestStartOnAnotherAddress(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"0.0.0.0": DefaultHost, "::1": "::1", "localhost": DefaultHost} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			if err := bindable(want, 0); err != nil {
				t.Skipf("this machine has no %s: %v", want, err)
			}
			s := start(t, Options{Host: host})
			require.Equal(t, want, hostOf(t, s.HostPort()))
			require.Contains(t, get(t, s.UIURL()+"/api/v1/namespaces"), `"name": "default"`)
			c := dial(t, s.HostPort(), "")
			startWorker(t, c)
			requireHello(t, c)
		})
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Options{Port: AnyPort})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.Stop())
	require.False(t, listening(t.Context(), s.HostPort()))
	require.False(t, listening(t.Context(), hostPort(DefaultHost, portOf(t, s.UIURL()))))
}

// onRecord is a slog.Handler that does something at the first record, or the first with a message.
type onRecord struct {
	message string
	do      func()
	once    sync.Once
}

func (h *onRecord) Enabled(context.Context, slog.Level) bool { return true }
func (h *onRecord) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *onRecord) WithGroup(string) slog.Handler            { return h }
func (h *onRecord) Handle(_ context.Context, r slog.Record) error {
	if h.message == "" || r.Message == h.message {
		h.once.Do(h.do)
	}
	return nil
}

func get(t testing.TB, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, string(body))
	return string(body)
}

// portOf is the port of "host:port" or of a URL.
func portOf(t testing.TB, addr string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(strings.TrimPrefix(addr, "http://"))
	require.NoError(t, err)
	port, err := strconv.Atoi(text)
	require.NoError(t, err)
	return port
}

func hostOf(t testing.TB, addr string) string {
	t.Helper()
	host, _, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	return host
}
