package troupe_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/seed-ab6af24b/troupe/foogpt"
	"github.com/seed-ab6af24b/troupe/registry"
	"github.com/seed-ab6af24b/troupe/scgpt"
	"github.com/seed-ab6af24b/troupe/scgpt/api"
)

// A service with both agents: each has a worker of its own.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	reg := registry.New(registry.Options{}) // TEMPORAL_* and temporal.toml
	err := errors.Join(
		reg.Register(scgpt.New(scgpt.Options{Models: "models"})),
		reg.Register(foogpt.New()))
	if err == nil {
		err = reg.Run(ctx) // until ctx ends; then drains
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// A caller imports the contract only.
func Example_caller() {
	ctx := context.Background()
	c, err := api.Connect(ctx, api.TemporalConfig{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer c.Close()
	result, err := c.RunAnalysis(ctx, api.AnalysisWorkflowRequest{ExpressionData: "cells.h5ad"}, true) // true: wait for the end
	if err != nil {
		fmt.Fprintln(os.Stderr, result.WorkflowID, err)
		return
	}
	fmt.Println(result.Result.Annotation.Out)
}
