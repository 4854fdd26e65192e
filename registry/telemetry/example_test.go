package telemetry_test

import (
	"context"
	"log"
	"os/signal"
	"syscall"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/registry/ops"
	"github.com/seed-ab6af24b/troupe/registry/telemetry"
)

// A worker process with health routes and metrics at 127.0.0.1:8081, and with
// traces.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	tracing := sdktrace.NewTracerProvider( /* sdktrace.WithBatcher(an exporter) */ )
	defer func() { _ = tracing.Shutdown(context.WithoutCancel(ctx)) }()
	tel, err := telemetry.New(telemetry.Options{TracerProvider: tracing})
	if err != nil {
		log.Print(err)
		return
	}
	reg := registry.New(registry.Options{Observer: tel})
	// … reg.Register the agents
	go func() {
		if err := ops.Serve(ctx, "", ops.Handler(reg, ops.WithMetrics(tel.Handler()))); err != nil {
			log.Print(err)
		}
	}()
	if err := reg.Run(ctx); err != nil {
		log.Print(err)
	}
}
