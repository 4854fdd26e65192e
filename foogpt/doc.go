// Package foogpt is an agent that names clusters of cells after the genes that
// mark them. It is also the template for agents of one's own: small, on the
// CPU, with everything that an agent has.
//
// # A template
//
// To make another agent, copy the two packages and replace
//
//	api/definitions.go  name, task queue, retry policy; the typed definitions
//	api/request.go      what callers send, and what makes it valid
//	api/response.go     what they get
//	agent.go            the state of the agent, and what it binds to the definitions
//	options.go          what a deployment decides, from code or from the environment
//	workflow.go         the order of activities; deterministic
//	activity.go         the work
//
// then register it beside the others: registry.Registry.Register(foogpt.New()).
// What else there is depends on the work. Here it is either a table in the
// binary (markers.go, score.go) or a remote service (chat.go, prompt.go,
// answer.go).
//
// # A remote service
//
// The client of the service is a field that Start makes and Stop closes. It
// does not retry: Temporal does, by the policy of the domain, across the death
// of a worker. Its errors are classed in one place, by [retry.HTTPError]:
// credentials that are refused and requests that are wrong are final, a
// Retry-After decides when the next attempt is. An answer that can't be used is
// another matter: the activity asks again at once and tells the model what was
// wrong, three times in all, then fails for good. Time and size of every answer
// are bounded, what is asked depends on the request alone, and neither errors
// nor logs hold the key.
//
// The rate at which the service may be asked belongs to the task queue, not to a
// worker: [Options].ActivitiesPerSecond holds however many workers there are.
//
// # Naming by a language model
//
// With [Options].Model set, a model of an OpenAI-compatible chat-completions
// API names the clusters. It gets the tissue and the best 30 genes of each, as
// data, and gives a cell type, a confidence and at most five genes as evidence,
// which count if they are the cluster's. Its words are free: two requests may
// name one type in two ways.
//
// # Naming by markers
//
// Otherwise the agent works offline, from a table of well-known human marker
// genes (markers.tsv), each with its source. Symbols are compared without
// regard to case, so that mouse genes are found where both species have one
// symbol.
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
