package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/registry/ops"
	"github.com/seed-ab6af24b/troupe/registry/telemetry"
)

// opsTokenVariable names the variable with the bearer token of the operations
// endpoint: a flag would show it to whoever lists processes.
const opsTokenVariable = "TROUPE_OPS_TOKEN"

// serveFunc serves what operators look at until ctx ends.
type serveFunc func(ctx context.Context, reg *registry.Registry) error

// endpoint returns what serves the operations endpoint, and has the agents observed
// for its metrics. Without --ops it serves nothing.
func (f *workerFlags) endpoint() (serveFunc, error) {
	if f.ops == "" {
		return func(ctx context.Context, _ *registry.Registry) error { <-ctx.Done(); return nil }, nil
	}
	if _, _, err := net.SplitHostPort(f.ops); err != nil {
		return nil, usagef("--ops is %q: want HOST:PORT, such as %s", f.ops, ops.DefaultAddress)
	}
	metrics, err := telemetry.New(telemetry.Options{})
	if err != nil {
		return nil, err
	}
	f.observer = metrics
	options := []ops.Option{ops.WithMetrics(metrics.Handler())}
	// An empty token is a mistake, of which ops makes that nobody has it.
	if token, ok := os.LookupEnv(opsTokenVariable); ok {
		options = append(options, ops.WithBearerToken(token))
	}
	return func(ctx context.Context, reg *registry.Registry) error {
		if err := ops.Serve(ctx, f.ops, ops.Handler(reg, options...)); err != nil {
			return fmt.Errorf("--ops %s: %w", f.ops, err)
		}
		return nil
	}, nil
}
