// Package scgpt is the scGPT agent: cell-type annotation and gene embeddings
// from scGPT checkpoints on .h5ad files, as durable workflows.
//
// The contract (definitions, requests, responses, Client) is in package
// scgpt/api; the computation is in scgpt/engine and below. This package binds
// the two: models are loaded once and stay, one forward pass runs at a time on
// the agent's device, files are opened below the worker's root folders only.
//
//	reg.Register(scgpt.New(scgpt.Options{Models: "models"}))
//
// # Shards
//
// An analysis is cut into shards of some 15 s of work. Each is an activity of its
// own that writes a file beside the output; any worker on the queue that sees
// the same folders may take it. A worker that dies costs the shards it was
// computing, no more: an activity that is tried again takes the files that are
// whole and match. The result does not depend on the shards.
package scgpt
