// Package ops serves the state of a registry over HTTP, for probes, load
// balancers and people:
//
//	GET /v2/health/live            200 unless every agent has failed for good
//	GET /v2/health/ready           200 if every agent is ready, else 503
//	GET /v2/models/{agent}/ready   200 if the agent is ready, else 503
//	GET /agents                    the status of all agents, JSON
//	GET /agents/{agent}            the status of one agent, JSON
//	GET /metrics                   with WithMetrics: what Prometheus scrapes
//
// The first three are the health routes of the Open Inference Protocol, which
// Kubernetes' model servers and their tools know. The answer is JSON in every
// case but /metrics; one that is not 200 says what is missing. An unknown agent
// is 404, and a registry without agents is live but not ready.
//
//	go ops.Serve(ctx, "", ops.Handler(reg)) // at DefaultAddress, until ctx ends
//
// The answers tell names, errors and identities: the address should not be
// public. WithBearerToken wants a token of whoever asks for more than health.
package ops
