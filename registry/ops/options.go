package ops

import "net/http"

// Option adds to what Handler serves.
type Option func(mux *http.ServeMux)

// WithMetrics serves metrics, as a telemetry.Telemetry's Handler does, at
// GET /metrics.
func WithMetrics(metrics http.Handler) Option {
	return func(mux *http.ServeMux) { mux.Handle("GET /metrics", metrics) }
}
