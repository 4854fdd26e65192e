package registry

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
)

type recordingObserver struct {
	interceptor.WorkerInterceptorBase
	registries []*Registry
	clients    []string
	workers    []string
}

func (o *recordingObserver) ObserveRegistry(reg *Registry) { o.registries = append(o.registries, reg) }

func (o *recordingObserver) ObserveClient(agent string, opts *client.Options) {
	o.clients = append(o.clients, agent)
	opts.Identity = "observed"
}

func (o *recordingObserver) ObserveWorker(agent string) []interceptor.WorkerInterceptor {
	o.workers = append(o.workers, agent)
	return []interceptor.WorkerInterceptor{o}
}

func TestObserver(t *testing.T) {
	t.Parallel()
	seen := &recordingObserver{}
	before := ""
	reg := New(Options{Observer: seen, ClientOptions: func(o *client.Options) { before = o.Identity }})
	require.Equal(t, []*Registry{reg}, seen.registries)

	own := &interceptor.WorkerInterceptorBase{}
	require.NoError(t, reg.Register(newFakeAgent("a"), WithWorkerOptions(func(o *worker.Options) {
		o.Interceptors = append(o.Interceptors, own)
	})))
	require.Equal(t, []string{"a"}, seen.clients)
	require.Equal(t, []string{"a"}, seen.workers)
	require.Equal(t, "observed", before, "Options.ClientOptions has the last word")
	require.Equal(t, []interceptor.WorkerInterceptor{seen, own}, reg.agents["a"].workerOpts.Interceptors)

	given, server := newFake(func(o *Options) { o.Observer = seen })
	require.NoError(t, given.Register(newFakeAgent("b")))
	require.Equal(t, []string{"a"}, seen.clients, "a client that the registry does not make is left alone")
	require.Equal(t, []string{"a", "b"}, seen.workers)
	require.Zero(t, server.dials())
}
