// Command embed is an HTTP service with a Temporal client of its own that runs
// two agents beside its handlers. README.md has the steps.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"

	"github.com/seed-ab6af24b/troupe/agent"
	"github.com/seed-ab6af24b/troupe/foogpt"
	foogptapi "github.com/seed-ab6af24b/troupe/foogpt/api"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/registry/ops"
	"github.com/seed-ab6af24b/troupe/scgpt"
	scgptapi "github.com/seed-ab6af24b/troupe/scgpt/api"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	listen := flag.String("listen", "localhost:8080", "where to serve HTTP")
	models := flag.String("models", "testdata/models", "folder of the scGPT models")
	model := flag.String("model", "tiny_scgpt", "the model of requests that name none")
	flag.Parse()
	agents := []agent.Agent{
		foogpt.New(),
		scgpt.New(scgpt.Options{Models: *models, DefaultModel: *model}),
	}
	if err := run(ctx, *listen, agents); err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

// run is the service from its connections to their end.
func run(ctx context.Context, listen string, agents []agent.Agent) error {
	options, err := envconfig.LoadDefaultClientOptions() // TEMPORAL_* and temporal.toml
	if err != nil {
		return err
	}
	options.Logger = sdklog.NewStructuredLogger(slog.Default())
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return err
	}
	defer c.Close() // last: handlers and agents use it
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	slog.Info("serving", "address", "http://"+l.Addr().String())
	return serve(ctx, l, c, agents)
}

const (
	// maxWait is how long a request waits for its result.
	maxWait = 25 * time.Second
	// grace is how long requests may take to end after a signal.
	grace = maxWait + 5*time.Second
)

// serve serves HTTP on l, and runs the agents, until ctx ends or HTTP fails. It
// leaves c open.
func serve(ctx context.Context, l net.Listener, c client.Client, agents []agent.Agent) error {
	defer l.Close()
	reg := registry.New(registry.Options{Client: c})
	for _, a := range agents {
		if err := reg.Register(a); err != nil {
			return err
		}
	}
	mux := http.NewServeMux()
	mux.Handle("POST /clusters", execute(c, foogptapi.Naming, maxWait))
	mux.Handle("POST /analyses", execute(c, scgptapi.Analysis, maxWait))
	mux.Handle("GET /", ops.Handler(reg)) // /v2/health/ready, /agents, …

	// The agents outlive ctx: requests under way still wait for them.
	agentsCtx, stopAgents := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAgents()
	agentsDone := make(chan error, 1)
	go func() { agentsDone <- reg.Run(agentsCtx) }()

	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()

	var failed error
	select {
	case <-ctx.Done():
	case failed = <-served:
	}
	// 1. HTTP: accept no more, let requests finish.
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	httpErr := server.Shutdown(deadline)
	if httpErr != nil {
		_ = server.Close()
	}
	// 2. Agents: poll no more, let activities finish. What does not finish is
	// tried again by another worker.
	stopAgents()
	return errors.Join(failed, httpErr, <-agentsDone)
}
