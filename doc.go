// Package troupe is the root of a library for agents on Temporal, each with a
// worker of its own, and for scGPT inference in Go, the first of those agents.
// It holds documentation only.
//
// # Rooms
//
//   - [github.com/seed-ab6af24b/troupe/agent]: what an agent is; typed
//     definitions of activities and workflows
//   - [github.com/seed-ab6af24b/troupe/retry]: retry policies and error classes
//   - [github.com/seed-ab6af24b/troupe/registry]: runs agents, one isolated
//     worker each
//   - [github.com/seed-ab6af24b/troupe/agent/devserver]: an embedded Temporal
//     server with web UI (a module of its own)
//   - [github.com/seed-ab6af24b/troupe/scgpt]: the scGPT agent; its contract for
//     callers is in scgpt/api, the computation in scgpt/engine and below
//   - [github.com/seed-ab6af24b/troupe/foogpt]: a second agent, the one to copy
//
// # The main job
//
// From a clone of the repository,
//
//	go run ./examples/scgpt
//
// starts an embedded Temporal server and both agents, annotates 200 real cells
// and shows the result. The examples are in a module of their own, so that who
// imports agent, retry and registry compiles neither server nor command line.
package troupe
