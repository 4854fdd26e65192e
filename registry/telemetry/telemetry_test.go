package telemetry

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/seed-ab6af24b/troupe/registry"
)

func TestMeterProvider(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	tel, err := New(Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	require.NoError(t, err)
	reg := registry.New(registry.Options{Observer: tel})
	require.NoError(t, reg.Register(newTestAgent()))

	var got metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &got))
	var names []string
	for _, s := range got.ScopeMetrics {
		for _, m := range s.Metrics {
			names = append(names, m.Name)
		}
	}
	require.ElementsMatch(t, []string{
		"troupe_agent_ready", "troupe_agent_state", "troupe_agent_restarts", "troupe_activity_running"}, names)

	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusNotFound, w.Code)
	require.Equal(t, "metrics go to the program's MeterProvider\n", w.Body.String())
}

func TestRegisterer(t *testing.T) {
	t.Parallel()
	own := prometheus.NewRegistry()
	own.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "program_total"}))
	tel, err := New(Options{Registerer: own})
	require.NoError(t, err)
	reg := registry.New(registry.Options{Observer: tel})
	require.NoError(t, reg.Register(newTestAgent()))
	got := scrape(t, tel.Handler())
	require.Contains(t, got, "program_total")
	require.Contains(t, got, "troupe_agent_ready")
	require.NotContains(t, got, "go_goroutines", "those are the program's to add")

	_, err = New(Options{Registerer: own, MeterProvider: sdkmetric.NewMeterProvider()})
	require.EqualError(t, err, "telemetry.Options: MeterProvider and Registerer are both set")

	wrapped, err := New(Options{Registerer: prometheus.WrapRegistererWithPrefix("x_", prometheus.NewRegistry())})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	wrapped.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusNotFound, w.Code)
}
