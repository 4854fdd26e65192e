package integration

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/registry/telemetry"
)

// A caller's trace goes on through the server into workflow and activity, once
// each, and the workers' metrics can be scraped.
func TestTelemetry(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	tracing := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	tel, err := telemetry.New(telemetry.Options{TracerProvider: tracing})
	require.NoError(t, err)
	o := client.Options{HostPort: hostPort, Logger: sdklog.NewStructuredLogger(silent)}
	tel.ObserveCaller(&o)
	c, err := client.Dial(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)

	own, given := newAgent(t, "own"), newAgent(t, "given")
	reg := newRegistry(hostPort, func(o *registry.Options) { o.Observer = tel })
	require.NoError(t, reg.Register(own))
	require.NoError(t, reg.Register(given, registry.WithClient(c)))
	stop := run(t, reg)
	require.NoError(t, reg.WaitReady(within(t, patience)))

	for _, a := range []*testAgent{own, given} {
		spans.Reset()
		ctx, call := tracing.Tracer("test").Start(within(t, patience), "call")
		started, err := a.workflow.Start(ctx, c, Text{"hello"})
		require.NoError(t, err)
		_, err = started.Get(ctx)
		require.NoError(t, err)
		call.End()

		var names []string
		for _, s := range spans.GetSpans() {
			names = append(names, s.Name)
			require.Equal(t, call.SpanContext().TraceID(), s.SpanContext.TraceID(), s.Name)
		}
		require.Subset(t, []string{"call", "StartWorkflow:Echo", "RunWorkflow:Echo", "StartActivity:echo", "RunActivity:echo"}, names)
		for _, name := range []string{"call", "StartWorkflow:Echo", "StartActivity:echo", "RunActivity:echo"} {
			require.Contains(t, names, name)
		}
		slices.Sort(names)
		require.Equal(t, slices.Compact(slices.Clone(names)), names, "nothing is traced twice")
	}

	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	text := w.Body.String()
	var parser expfmt.TextParser
	_, err = parser.TextToMetricFamilies(w.Body)
	require.NoError(t, err)
	for _, a := range []*testAgent{own, given} {
		require.Contains(t, text, `troupe_agent_ready{agent="`+a.Name()+`"} 1`)
		require.Contains(t, text, `troupe_activity_executions_total{activity="echo",agent="`+a.Name()+`",class="",outcome="ok"} 1`)
	}
	require.Regexp(t, `temporal_activity_execution_latency_seconds_count\{activity_type="echo",agent="`+own.Name()+`".*,task_queue="`+own.TaskQueue()+`",.* 1\n`, text)
	require.NoError(t, stop())
}
