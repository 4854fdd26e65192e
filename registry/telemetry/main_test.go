package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	domain = agent.Domain{Name: "worker", TaskQueue: "worker-tasks", Retry: retry.API()}
	work   = agent.NewActivity[string, string](domain, "work")
	relay  = agent.NewWorkflow[string, string](domain, "Relay")
)

// testAgent has a workflow that calls an activity, and that ends as it is told.
type testAgent struct {
	agent.Base
	onStart func() error
}

func newTestAgent() *testAgent { return &testAgent{Base: domain.Base()} }

func (a *testAgent) Start(context.Context) error {
	if a.onStart == nil {
		return nil
	}
	return a.onStart()
}

func (*testAgent) Activities() []agent.Binding { return agent.Bind(work.To(end)) }

func (*testAgent) Workflows() []agent.Binding {
	return agent.Bind(relay.To(func(ctx workflow.Context, how string) (string, error) { return work.Execute(ctx, how) }))
}

func end(_ context.Context, how string) (string, error) {
	switch how {
	case "invalid":
		return "", retry.InvalidData.Errorf("no cells")
	case "missing class":
		return "", errors.New("whatever")
	case "late":
		return "", fmt.Errorf("asking: %w", context.DeadlineExceeded)
	case "elsewhere":
		return "", activity.ErrResultPending
	case "panic":
		panic("oh")
	}
	return how, nil
}

// quietSuite does not print the failures that the tests are about.
func quietSuite() *testsuite.WorkflowTestSuite {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	return &suite
}

// scrape returns what the handler serves, by name.
func scrape(t *testing.T, h http.Handler) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Contains(t, w.Header().Get("Content-Type"), "text/plain")
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(w.Body)
	require.NoError(t, err)
	return families
}

// values returns the metrics of a family: counter, gauge, or the number of a
// histogram's measurements, by the values of the named labels.
func values(f *dto.MetricFamily, labels ...string) map[string]float64 {
	all := map[string]float64{}
	for _, m := range f.GetMetric() {
		key := ""
		for _, want := range labels {
			for _, l := range m.GetLabel() {
				if l.GetName() == want {
					key += " " + want + "=" + l.GetValue()
				}
			}
		}
		all[key[min(1, len(key)):]] += m.GetCounter().GetValue() + m.GetGauge().GetValue() +
			float64(m.GetHistogram().GetSampleCount())
	}
	return all
}
