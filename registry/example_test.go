package registry_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/registry/ops"
	"github.com/seed-ab6af24b/troupe/retry"
)

// greeter has its functions left out; see package agent.
type greeter struct{ agent.Base }

func newGreeter(name string) *greeter {
	return &greeter{agent.Domain{Name: name, TaskQueue: name + "-tasks", Retry: retry.API()}.Base()}
}

// A whole worker process: agents, probes, an orderly end on SIGTERM.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	reg := registry.New(registry.Options{}) // TEMPORAL_* and temporal.toml
	err := errors.Join(
		reg.Register(newGreeter("english")),
		reg.Register(newGreeter("french"), registry.WithStopTimeout(time.Minute)),
	)
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = http.ListenAndServe("localhost:8081", ops.Handler(reg)) }()
	if err := reg.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

// Agents inside a service that has a client already.
func ExampleOptions_client() {
	var c client.Client // the service's own

	reg := registry.New(registry.Options{Client: c})
	if err := reg.Register(newGreeter("english")); err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- reg.Run(ctx) }()

	waiting, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := reg.WaitReady(waiting, "english"); err != nil {
		log.Print(err) // says what is missing; the registry goes on trying
	}

	// ... serve ...

	stop()
	if err := <-ended; err != nil {
		log.Print(err) // names what did not stop
	}
}

// One activity at a time, whatever the agent itself asks for.
func ExampleWithWorkerOptions() {
	reg := registry.New(registry.Options{})
	err := reg.Register(newGreeter("english"), registry.WithWorkerOptions(func(o *worker.Options) {
		o.MaxConcurrentActivityExecutionSize = 1
	}))
	if err != nil {
		log.Fatal(err)
	}
}

// Two agents of one task queue have to share a worker.
func ExampleShared() {
	reg := registry.New(registry.Options{})
	one, other := newGreeter("english"), newGreeter("french")
	other.Base = other.OnTaskQueue(one.TaskQueue())
	if err := reg.Register(registry.Shared(one, other)); err != nil {
		log.Fatal(err)
	}
}
