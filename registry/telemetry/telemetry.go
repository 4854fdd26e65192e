package telemetry

import (
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"

	"github.com/seed-ab6af24b/troupe/registry"
)

const scope = "github.com/seed-ab6af24b/troupe/registry/telemetry"

// Options configure a Telemetry. The zero value serves metrics to Prometheus
// and traces nothing.
type Options struct {
	// TracerProvider takes the spans. Without one nothing is traced. The
	// program shuts it down, after the registry's Run has returned.
	TracerProvider trace.TracerProvider

	// MeterProvider takes the metrics. Without one they are kept for
	// Telemetry.Handler. The program shuts it down. Histograms of the SDK
	// are in seconds: a view should give them buckets that fit.
	MeterProvider metric.MeterProvider

	// Registerer takes the metrics beside the program's own Prometheus
	// metrics. The default is a new registry, with the metrics of the Go
	// runtime and the process. At most one of it and MeterProvider may be
	// set.
	Registerer prometheus.Registerer
}

// Telemetry is a [registry.Observer]. Make it with [New]; one may watch several
// registries, whose agents' names should then differ. All methods are safe for
// concurrent use.
type Telemetry struct {
	tracer  trace.Tracer // nil if nothing is traced
	meter   metric.Meter // for the SDK
	handler http.Handler
	// gatherer has this process's metrics, nil if they go elsewhere.
	gatherer prometheus.Gatherer

	activities *activities

	mu         sync.Mutex
	registries []*registry.Registry
}

var _ registry.Observer = (*Telemetry)(nil)

// New makes the instruments. It fails if both MeterProvider and Registerer are
// set, or if one of them refuses an instrument. A Registerer should have one
// Telemetry: of a second one the metrics would be the same.
func New(o Options) (*Telemetry, error) {
	t := &Telemetry{}
	if o.TracerProvider != nil {
		t.tracer = o.TracerProvider.Tracer(scope)
	}
	meters := o.MeterProvider
	switch {
	case meters != nil && o.Registerer != nil:
		return nil, errors.New("telemetry.Options: MeterProvider and Registerer are both set")
	case meters != nil:
		t.handler = elsewhere("the program's MeterProvider")
	default:
		var err error
		if meters, t.gatherer, err = newPrometheus(o.Registerer); err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
		t.handler = elsewhere("a prometheus.Registerer that is no Gatherer")
		if t.gatherer != nil {
			t.handler = serveMetrics(t.gatherer, fromProcesses{t.processMetrics})
		}
	}
	t.meter = meters.Meter("temporal-sdk-go")

	own := meters.Meter(scope)
	var err error
	if t.activities, err = newActivities(own); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if err := observeAgents(own, t.status); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return t, nil
}

// Handler serves the metrics in the Prometheus format. If they go elsewhere (a
// MeterProvider, or a Registerer that cannot be gathered from) the answer is
// 404 and says so.
func (t *Telemetry) Handler() http.Handler { return t.handler }

// ObserveRegistry is called by registry.New. The registry's agents are part of
// the metrics from then on.
func (t *Telemetry) ObserveRegistry(reg *registry.Registry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.registries = append(t.registries, reg)
}

// ObserveClient sets the metrics handler of the agent's client, which its worker
// uses too. The registry calls it for the clients that it makes; a program that
// makes them itself (registry.Options.Dial) calls it for each.
func (t *Telemetry) ObserveClient(agent string, o *client.Options) {
	o.MetricsHandler = opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter:                t.meter,
		InitialAttributes:    attribute.NewSet(attribute.String("agent", agent)),
		OnError:              otel.Handle,
		UseMonotonicCounters: true,
	})
}

// ObserveWorker returns the interceptors that trace the agent's workflows and
// activities and count the latter.
func (t *Telemetry) ObserveWorker(agent string) []interceptor.WorkerInterceptor {
	list := []interceptor.WorkerInterceptor{&activityObserver{agent: agent, activities: t.activities}}
	if t.tracer != nil {
		list = append([]interceptor.WorkerInterceptor{tracing(t.tracer, attribute.String("troupe.agent", agent))}, list...)
	}
	return list
}

// ObserveCaller adds tracing to the options of a client that starts workflows
// and sends them messages: the spans of its calls' contexts become the parents.
// Workers over this client are not traced by it, so it may be the registry's
// Options.Client.
func (t *Telemetry) ObserveCaller(o *client.Options) {
	if t.tracer != nil {
		o.Interceptors = append(o.Interceptors, callsOnly{tracing(t.tracer)})
	}
}

// status is that of all agents.
func (t *Telemetry) status() (all []registry.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, reg := range t.registries {
		all = append(all, reg.Status()...)
	}
	return all
}
