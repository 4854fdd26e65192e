package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// newPrometheus returns meters whose metrics r takes, or a new registry if r is
// nil, and what gathers them: nil if r is no Gatherer.
func newPrometheus(r prometheus.Registerer) (metric.MeterProvider, prometheus.Gatherer, error) {
	if r == nil {
		own := prometheus.NewRegistry()
		own.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		r = own
	}
	reader, err := exporter.New(exporter.WithRegisterer(r), exporter.WithoutScopeInfo(), exporter.WithoutTargetInfo())
	if err != nil {
		return nil, nil, err
	}
	// OpenTelemetry's default buckets are made for milliseconds.
	seconds := sdkmetric.NewView(
		sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram, Unit: "s"},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: durationBuckets}})
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(seconds))

	g, _ := r.(prometheus.Gatherer)
	return meters, g, nil
}

// serveMetrics serves what the gatherers have.
func serveMetrics(g ...prometheus.Gatherer) http.Handler {
	// One broken collector of the program must not hide the others.
	return promhttp.HandlerFor(prometheus.Gatherers(g), promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// elsewhere answers who looks for metrics here.
func elsewhere(where string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "metrics go to "+where, http.StatusNotFound)
	})
}
