// Package telemetry watches the agents of a registry: traces by OpenTelemetry,
// metrics for Prometheus or any OpenTelemetry exporter. Programs that do not
// import it compile neither.
//
//	tel, err := telemetry.New(telemetry.Options{TracerProvider: tracing})
//	...
//	reg := registry.New(registry.Options{Observer: tel})
//	...
//	go ops.Serve(ctx, "", ops.Handler(reg, ops.WithMetrics(tel.Handler())))
//
// # Metrics
//
// [Telemetry.Handler] serves, in the Prometheus format:
//
//	troupe_agent_ready{agent}                 1 if the agent is ready, else 0
//	troupe_agent_state{agent,state}           1 for the state it is in, 0 for each other
//	troupe_agent_restarts_total{agent}        starts after an error
//	troupe_activity_running{agent,activity}   executions in this process now
//	troupe_activity_executions_total{agent,activity,outcome,class}
//	troupe_activity_duration_seconds{agent,activity,outcome}, a histogram
//
// and what the SDK counts of each agent's client and worker (temporal_*: polls,
// slots, latencies, failed requests, cached workflows), with the label agent
// beside the SDK's own, task_queue among them. Agents of registry.Shared have
// one worker and one name. The SDK counts nothing for a client that the program
// made without [Telemetry.ObserveClient].
//
// An execution is one attempt of an activity in this process. Its outcome is
// "ok", "failed", "canceled", or "pending" where the activity completes
// elsewhere (activity.ErrResultPending). The class of a failure is that of
// package retry, or
//
//	timeout   its time was up
//	panic     it panicked
//	other     its error has no class, or this program has seen too many
//
// and of everything else it is empty. At most 64 classes are told apart, so
// that no series grows without bound.
//
// Alerts that are worth having:
//
//	troupe_agent_ready == 0                                    for 5 minutes
//	troupe_agent_state{state="failed"} == 1
//	rate(troupe_activity_executions_total{outcome="failed",class!="InvalidDataError"}[5m]) > 0.1
//
// Of an agent in a process of its own (registry.Process) the Handler of the parent
// serves all that the process counts, the Go runtime's metrics included, with the
// labels agent and process, the number of the process; troupe_agent_* and
// troupe_activity_running are the parent's.
//
// With Options.MeterProvider the same instruments go there, by their
// OpenTelemetry names: without _total and _seconds.
//
// # Traces
//
// With a TracerProvider, workflows and activities are spans, children of what
// started them: the span context travels in Temporal's headers, to workers in
// other languages too. Replays make no spans. An activity's span has the
// attribute troupe.agent, and after a failure error.type, the class. The
// loggers of workflows and activities get TraceID and SpanID.
//
// A caller in another process continues its traces into workflows with
// [Telemetry.ObserveCaller].
package telemetry
