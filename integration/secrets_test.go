package integration

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/seed-ab6af24b/troupe/foogpt"
	foogptapi "github.com/seed-ab6af24b/troupe/foogpt/api"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/registry/ops"
	"github.com/seed-ab6af24b/troupe/registry/telemetry"
)

// A key that a server shows in whatever it answers stands in no history, no log, no
// metric and no status.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	const key = "sk-sesame-open-4711"
	// One of the genes says what the server answers.
	answers := map[string]func(w http.ResponseWriter, shown string){
		"unauthorized": func(w http.ResponseWriter, shown string) {
			http.Error(w, `{"error": {"message": "Incorrect API key provided: `+shown+`"}}`, http.StatusUnauthorized)
		},
		"bad":    func(w http.ResponseWriter, shown string) { http.Error(w, shown, http.StatusBadRequest) },
		"broken": func(w http.ResponseWriter, shown string) { http.Error(w, shown, http.StatusBadGateway) },
		"elsewhere": func(w http.ResponseWriter, shown string) {
			w.Header().Set("Location", "https://"+shown+".invalid/")
			w.WriteHeader(http.StatusFound)
		},
		"page":  func(w http.ResponseWriter, shown string) { _, _ = io.WriteString(w, "<html>"+shown+"</html>") },
		"model": func(w http.ResponseWriter, shown string) { completion(w, shown, `{"names": []}`) },
		"text":  func(w http.ResponseWriter, shown string) { completion(w, "m", shown) },
		"name": func(w http.ResponseWriter, shown string) {
			completion(w, shown, `{"names": [{"cluster": 0, "name": "`+shown+`", "confidence": 0.5, "evidence": ["CD3D"]}]}`)
		},
	}
	asked := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		body, _ := io.ReadAll(r.Body)
		for name, answer := range answers {
			if strings.Contains(string(body), `server-`+name) {
				asked <- name + " " + shown
				answer(w, shown)
			}
		}
	}))
	t.Cleanup(server.Close)

	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	tel, err := telemetry.New(telemetry.Options{})
	require.NoError(t, err)
	reg := newRegistry(hostPort, func(o *registry.Options) {
		o.Logger, o.Observer = logger, tel
		was := o.ClientOptions
		o.ClientOptions = func(o *client.Options) { was(o); o.Logger = sdklog.NewStructuredLogger(logger) }
	})
	chat := foogpt.NewWith(foogpt.Options{Model: "m", BaseURL: server.URL, APIKey: key})
	chat.Base = chat.OnTaskQueue("secrets-tasks")
	require.NoError(t, reg.Register(chat))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))

	c := clientTo(t, hostPort)
	ctx := within(t, patience)
	var histories strings.Builder
	for name := range answers {
		started, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: chat.TaskQueue()}, foogptapi.Naming.Name(),
			foogptapi.NameClustersRequest{Clusters: []foogptapi.Cluster{{ID: "0", Genes: []string{"CD3D", "server-" + name}}}})
		require.NoError(t, err)
		if name == "broken" { // is tried again
			require.Eventually(t, func() bool {
				d, err := c.DescribeWorkflowExecution(ctx, started.GetID(), "")
				return err == nil && len(d.GetPendingActivities()) == 1 && d.GetPendingActivities()[0].GetLastFailure() != nil &&
					histories.Len() < len(appendText(&histories, protojson.Format(d)))
			}, patience, 10e6)
			require.NoError(t, c.TerminateWorkflow(ctx, started.GetID(), "", "it has been seen"))
		} else {
			_ = started.Get(ctx, nil)
		}
		events := c.GetWorkflowHistory(ctx, started.GetID(), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			e, err := events.Next()
			require.NoError(t, err)
			appendText(&histories, protojson.Format(e))
			appendText(&histories, fmt.Sprintf("%q", e)) // payloads as text
		}
	}
	server.Close()
	close(asked)
	given := map[string]string{}
	for name := range asked {
		kind, shown, _ := strings.Cut(name, " ")
		given[kind] = shown
	}
	for name := range answers {
		require.Equal(t, key, given[name], "what the server was given, asked for %s", name)
	}
	w := httptest.NewRecorder()
	ops.Handler(reg).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/agents", nil))
	metrics := httptest.NewRecorder()
	tel.Handler().ServeHTTP(metrics, httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
	require.NoError(t, stop())
	for where, text := range map[string]string{
		"histories": histories.String(), "log": log.String(), "agents": w.Body.String(), "metrics": metrics.Body.String(),
	} {
		require.NotEmpty(t, text, where)
		require.NotContains(t, text, key, where)
	}
	require.Contains(t, histories.String(), "[removed]")
}

func appendText(b *strings.Builder, text string) string {
	b.WriteString(text)
	return b.String()
}

// completion answers as a chat API does.
func completion(w http.ResponseWriter, model, content string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"id": "1", "object": "chat.completion", "model": %q, "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": %q}}]}`, model, content)
}
