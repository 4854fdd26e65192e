package telemetry

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/retry"
)

func TestTraces(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	tracing := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	tel, err := New(Options{TracerProvider: tracing})
	require.NoError(t, err)
	env := quietSuite().NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{
		Interceptors: append([]interceptor.WorkerInterceptor{retry.Interceptor()}, tel.ObserveWorker("a")...)})
	agent.RegisterWorkflows(env, newTestAgent())
	agent.RegisterActivities(env, newTestAgent())
	env.ExecuteWorkflow("Relay", "invalid")
	require.ErrorContains(t, env.GetWorkflowError(), "no cells")

	byName := map[string]tracetest.SpanStub{}
	for _, s := range spans.GetSpans() {
		require.NotContains(t, byName, s.Name)
		require.Contains(t, s.Attributes, attribute.String("troupe.agent", "a"))
		byName[s.Name] = s
	}
	require.Len(t, byName, 3)
	run, start, execute := byName["RunWorkflow:Relay"], byName["StartActivity:work"], byName["RunActivity:work"]
	require.Equal(t, run.SpanContext.SpanID(), start.Parent.SpanID())
	require.Equal(t, start.SpanContext.SpanID(), execute.Parent.SpanID())
	require.Equal(t, run.SpanContext.TraceID(), execute.SpanContext.TraceID())
	require.Equal(t, codes.Error, execute.Status.Code)
	require.Contains(t, execute.Attributes, attribute.String("error.type", "InvalidDataError"))
}

func TestObserveCaller(t *testing.T) {
	t.Parallel()
	silent, err := New(Options{})
	require.NoError(t, err)
	var o client.Options
	silent.ObserveCaller(&o)
	require.Empty(t, o.Interceptors)

	tel, err := New(Options{TracerProvider: sdktrace.NewTracerProvider()})
	require.NoError(t, err)
	tel.ObserveCaller(&o)
	require.Len(t, o.Interceptors, 1)
	require.NotImplements(t, (*interceptor.WorkerInterceptor)(nil), o.Interceptors[0], "workers would be traced twice")
	require.NotNil(t, o.Interceptors[0].InterceptClient(&interceptor.ClientOutboundInterceptorBase{}))
	require.Len(t, tel.ObserveWorker("a"), 2)
	require.Len(t, silent.ObserveWorker("a"), 1)
}
