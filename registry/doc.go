// Package registry runs agents: each with a client connection, a worker,
// options and a supervisor of its own, so that one agent's trouble stays its
// own.
//
//	reg := registry.New(registry.Options{}) // TEMPORAL_* and temporal.toml
//	err := errors.Join(
//		reg.Register(scgpt.New(scgpt.Options{Models: dir})),
//		reg.Register(greeter.New("Hello")))
//	...
//	err = reg.Run(ctx) // until ctx ends; then drains
//
// Agents may be registered and removed while the registry runs. Package ops
// serves their state over HTTP; package telemetry adds metrics and traces.
//
// # Connection
//
// Without further options each agent's client is configured the way Temporal's
// own tools are: by the environment variables TEMPORAL_ADDRESS,
// TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_* and so on, and by the
// profile of temporal.toml that TEMPORAL_PROFILE names. [Options] can change
// what results, or provide clients by a function or a client that the program
// has already. With TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID both
// set, workers join that worker deployment version.
//
// # Supervision
//
// The server may be away when a registry starts, and may go away later. What
// goes wrong while an agent is connected, started and run (no server, no such
// namespace, an error or a panic of its Start, a fatal error of its worker) is
// logged, shown in [Status] and tried again with a growing, jittered delay,
// without end. Each time the agent gets a new client and a new worker, for an
// SDK worker cannot be started twice. Only two kinds of error are final: worker
// options that the SDK refuses, and an error of Start that is classed as final
// in the sense of package retry (a corrupt model, say). See [State].
//
// What all workers of a process share is the SDK's cache of workflows
// (worker.SetStickyWorkflowCacheSize).
//
// # Ready
//
// An agent is ready when its Start has returned, its health check passes, and
// the server itself lists the agent's worker as a poller of the task queue.
// That is checked all the time: within 10 s of losing the server no agent is
// ready any more.
//
// # Isolation
//
// Agents of one process share its memory and its end: a crash in C, a fatal
// error of the Go runtime, the kernel's search for memory. [Process] runs an
// agent in a process of its own instead:
//
//	func main() {
//		os.Exit(registry.Main(registry.Options{}, func(reg *registry.Registry) error {
//			return errors.Join(
//				reg.Register(scgpt.New(scgpt.Options{Device: registry.Device("cpu")}),
//					registry.Process(registry.ProcessOptions{MemoryLimit: 8 << 30})),
//				reg.Register(greeter.New("Hello")))
//		}))
//	}
//
// The process is this program again, or another one, and runs the same main
// function: its registry knows whose child it is, runs that agent alone, and
// tells its parent about state, log and metrics over a pipe. What main does
// before Run happens there too, unless it asks [IsChild], and has
// ProcessOptions.StartTimeout; what it does after Run is a part of the agent's stop.
// Of several registries of a program, the one that has the agent runs it there.
//
// With several [ProcessOptions] an agent has several processes on one task
// queue, each with its own device and environment: one per GPU, say.
//
// A process ends with its parent, whatever ends that. One that ends by itself,
// does not answer pings, or holds an activity that does not end, is replaced
// after a growing delay (Options.BackOff); its last words, a [ProcessError],
// stand in the log and in [Status]. What it ran is given to other workers by
// Temporal, or to its successor: the first that starts tells the server.
//
// # Stopping
//
// An agent is stopped in steps, which together take no longer than its stop
// timeout:
//
//  1. The worker stops polling. Activities that run may finish.
//  2. Shortly before the timeout the contexts of activities that still run are
//     cancelled, with worker.ErrWorkerShutdown as their cause.
//  3. When the worker has stopped, the agent's Stop is called, then the client
//     is closed.
//  4. What did not stop in time is named by a [StopError]. The agent's Stop is
//     not called while one of its activities still runs, or its CheckHealth or
//     Describe: it might release what they use. It is called when they return at
//     last.
//     A process of its own is killed instead.
//
// [Registry.Cut] ends all that at once; [Registry.RunUntilSignal] calls it at the
// second signal.
package registry
