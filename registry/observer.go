package registry

import (
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
)

// Observer watches agents from outside: metrics, tracing. Package telemetry has
// one. Its methods may be called concurrently.
type Observer interface {
	// ObserveRegistry is called once, by New. The registry may be kept and
	// asked for its status at any time.
	ObserveRegistry(reg *Registry)
	// ObserveClient changes the options of the named agent's client in place,
	// before Options.ClientOptions does. It is not called for clients that
	// the registry does not make.
	ObserveClient(agent string, o *client.Options)
	// ObserveWorker returns interceptors for the named agent's worker, the
	// outermost first. They run inside the registry's own and outside the
	// agent's.
	ObserveWorker(agent string) []interceptor.WorkerInterceptor
}

// observeNothing is the default.
type observeNothing struct{}

func (observeNothing) ObserveRegistry(*Registry)                            {}
func (observeNothing) ObserveClient(string, *client.Options)                {}
func (observeNothing) ObserveWorker(string) []interceptor.WorkerInterceptor { return nil }
