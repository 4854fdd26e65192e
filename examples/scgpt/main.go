// Command scgpt annotates the cells of an .h5ad file with a scGPT model, as a
// durable workflow: without arguments it starts an embedded Temporal server and
// two agents, runs one analysis, shows the result and stops.
//
//	go run ./examples/scgpt                      # the whole demonstration
//	go run ./examples/scgpt server               # the parts, each in a terminal of its own
//	go run ./examples/scgpt worker
//	go run ./examples/scgpt start --data cells.h5ad
//	go run ./examples/scgpt annotate --data cells.h5ad --out annotated.h5ad   # without Temporal
//
// Exit codes: 0 done, 1 failed, 2 wrong usage.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
