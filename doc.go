// Package troupe is the root of a library for agents on Temporal, each with a
// worker of its own, and for scGPT inference in Go, the first of those agents. It
// holds documentation only: the README in short, with links into the rooms.
//
// # The main job
//
// In a clone of the repository, with Go and nothing else:
//
//	go run ./examples/scgpt     # the main job
//	go test -timeout 30m work   # every test of every module
//
// The first command starts an embedded Temporal server with its web UI and two
// agents, annotates 200 real blood cells that the small sample model has not seen,
// prints a table of cell types beside the truth and a baseline, and leaves an
// annotated .h5ad file, a table and a report below out/. The annotated copy opens
// in scanpy: obs["predicted_labels"], obs["conf_score"], obsm["X_scGPT"],
// uns["troupe"].
//
// Server, workers and clients as programs of their own:
//
//	go run ./examples/scgpt server --db temporal.db
//	go run ./examples/scgpt worker
//	go run ./examples/scgpt start --data testdata/cells/celltypist_sample.h5ad
//	go run ./examples/scgpt result ID --wait
//
// A worker that is killed and started again goes on with the shards that are
// missing, and the result is the same to the byte.
//
// # Rooms
//
//   - [github.com/seed-ab6af24b/troupe/agent]: what an agent is; typed definitions
//     of activities and workflows. Below it agenttest (conformance suite, tests
//     without a server, recorded histories), codec (payloads encrypted and
//     compressed), lease (a device shared by processes), memo (results by what
//     they depend on), and devserver, the embedded Temporal server (a module of
//     its own)
//   - [github.com/seed-ab6af24b/troupe/retry]: retry policies and error classes
//   - [github.com/seed-ab6af24b/troupe/registry]: runs agents, one isolated,
//     supervised worker each, in this process or in processes of their own. Below
//     it ops (health and /agents by HTTP) and telemetry (Prometheus, OpenTelemetry)
//   - [github.com/seed-ab6af24b/troupe/scgpt]: the scGPT agent; its contract for
//     callers is in scgpt/api, which compiles nothing of the model; the computation
//     is in scgpt/engine, files in scgpt/anndata and scgpt/checkpoint, kernels in
//     scgpt/compute (CUDA: a module of its own, behind the build tag cuda)
//   - [github.com/seed-ab6af24b/troupe/foogpt]: a second agent, the one to copy
//
// Examples and the tests that need a server are modules of their own too, so that
// who imports agent, retry and registry compiles neither server nor command line.
//
// # In your service
//
//	reg := registry.New(registry.Options{}) // TEMPORAL_* and temporal.toml
//	err := errors.Join(
//		reg.Register(scgpt.New(scgpt.Options{Models: "models"})),
//		reg.Register(foogpt.New()))
//	…
//	err = reg.Run(ctx) // until ctx ends; then drains
//
// Callers import the contract only:
//
//	c, err := api.Connect(ctx, api.TemporalConfig{})
//	result, err := c.RunAnalysis(ctx, api.AnalysisWorkflowRequest{ExpressionData: "cells.h5ad"}, true)
//
// # Your own agent
//
//  1. go run ./examples/newagent greeter writes an agent that works: contract,
//     agent, tests, a worker's main and a client's. --dir and --module put it into
//     a repository of your own.
//  2. go test ./greeter/... runs its tests, without a server.
//  3. go run ./examples/scgpt server, go run ./cmd/greeter-worker and
//     go run ./cmd/greeter-start hello, each in a terminal, run it.
//  4. Make it yours: the contract first, since its names and JSON fields are what
//     other programs and recorded histories hold.
//  5. Run it beside others: reg.Register(greeter.New()).
//
// A workflow's code runs again, from the start, whenever its worker was away, and
// must decide as it did before: workflow.Now, workflow.Sleep, workflow.SideEffect,
// workflow.Go and workflow.Selector stand for time.Now, time.Sleep, rand, go and
// select. Go needs no sandbox for that, since nothing is imported at run time;
// workflowcheck finds calls that could differ, agenttest replays recorded
// histories, and everything else belongs in activities, which may do what they
// like.
//
// Agents have a worker each, which keeps scaling, deployment and failures apart;
// those that are deployed together on one machine may share one with
// registry.Shared. Temporal hands the results of a workflow's activities back when
// the workflow is replayed; the same request in a new workflow is new work, unless
// the activity remembers it with agent/memo, as those of scgpt do.
//
// # In production
//
//   - Workers start before the server does and come back by themselves when it was
//     away. SIGTERM stops polling, lets activities finish until a deadline, cancels
//     them, and names what did not stop; a second one cuts at once.
//   - registry.Process runs an agent in one or several processes of its own, with a
//     memory limit, a niceness and a device; registry.Main is all that a main needs
//     for it.
//   - With TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID set, workers are
//     versioned.
//   - Errors are final (InvalidDataError, FileNotFoundError, ModelNotFoundError) or
//     retried, for callers in every language; see package retry.
//   - A worker opens files below its roots only.
//
// # Limits
//
// The sample model shows that the machinery is right, nothing about biology;
// zero-shot scGPT can lose to simple baselines. Which figures were measured on
// which machine, and what has not been tested, stands in the README and in bench/.
// Not for diagnosis.
package troupe
