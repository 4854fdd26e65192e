// Package foogpt is an agent that names clusters of cells after the genes that
// mark them. It is also the template for agents of one's own: small, on the
// CPU, with everything that an agent has.
//
// # A template
//
// To make another agent, copy the two packages and replace
//
//	api/definitions.go  name, task queue, retry policy; the typed definitions
//	api/request.go   what callers send, and what makes it valid
//	api/response.go  what they get
//	agent.go         the state of the agent, and what it binds to the definitions
//	workflow.go      the order of activities; deterministic
//	activity.go      the work
//
// then register it beside the others: registry.Registry.Register(foogpt.New()).
// An agent that asks a remote service, a language model say, does so in its
// activity, with the client as a field that Start connects, and returns errors
// classed as in package retry: the policy of the domain does the rest.
//
// # Naming
//
// The agent works offline, from a table of well-known human marker genes
// (markers.tsv), each with its source. Symbols are compared without regard to
// case, so that mouse genes are found where both species have one symbol.
//
// The gene at rank i of a cluster, from 0, weighs w(i) = 1/log2(i+2), the
// discount that search engines' rankings are measured with (DCG). With
//
//	score(t) = sum of w(i) over the cluster's genes that mark the type t
//
// the name is the type of the highest score; of equal ones, the first in the
// table. A subtype inherits the markers of its parents, which count for it only
// beside a marker of its own: CD3D and CD8A make a CD8 T cell, CD3D alone
// a T cell. The confidence is
//
//	score(best) / sum of score(t) over all t but the parents of the best
//	× min(1, score(best) / (w(0)+w(1)+w(2)))
//
// rounded to three decimals: how far the name is ahead of its rivals, times how
// strong the evidence is, where three markers on the first three ranks are as
// strong as it gets.
package foogpt
