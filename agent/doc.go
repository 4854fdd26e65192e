// Package agent says what an agent is: a name, a task queue, a retry policy,
// and the workflows and activities that its worker runs.
//
// # Definition and implementation
//
// A definition is a contract: name, task queue, types, timeouts, retry policy.
// It lives in a package that any caller may import, and compiles nothing of
// the agent behind it:
//
//	package api // the contract of the agent greeter
//
//	var (
//		Domain = agent.Domain{Name: "greeter", TaskQueue: "greeter-tasks", Retry: retry.API()}
//
//		Greet = agent.NewActivity[Name, Greeting](Domain, "greet", agent.StartToClose(time.Minute))
//		Hello = agent.NewWorkflow[Name, Greeting](Domain, "HelloWorkflow")
//	)
//
// The agent binds functions to its definitions:
//
//	type Greeter struct {
//		agent.Base
//		Salutation string
//	}
//
//	func (g *Greeter) Activities() []agent.Binding { return agent.Bind(api.Greet.To(g.greet)) }
//	func (g *Greeter) Workflows() []agent.Binding  { return agent.Bind(api.Hello.To(hello)) }
//
// Workflows call activities, and clients start workflows, through the same
// definitions, with the compiler checking the types:
//
//	func hello(ctx workflow.Context, n api.Name) (api.Greeting, error) { return api.Greet.Execute(ctx, n) }
//
//	run, err := api.Hello.Start(ctx, temporalClient, api.Name{First: "Ada"})
//	greeting, err := run.Get(ctx)
//
// A call may change the SDK's options, by functions such as [StartToClose] and
// [WithID], or by any that takes the SDK's own struct:
//
//	api.Hello.Start(ctx, temporalClient, n, func(o *client.StartWorkflowOptions) { o.StartDelay = time.Hour })
//
// # Ways to start
//
//	api.Hello.Start(ctx, c, in)             a client starts a workflow
//	api.Hello.WithStart(id, in)             … with its first message, unless it runs
//	api.Hello.ScheduleAction(in)            a schedule of Temporal's starts it
//	api.Hello.Execute(ctx, in)              another workflow runs it as a child
//	api.Hello.ContinueAsNew(ctx, in)        it goes on with a new history
//	api.Greet.Execute(ctx, in)              a workflow runs an activity
//	api.Greet.ExecuteLocal(ctx, in)         … in its own worker, for milliseconds
//	api.Greet.Start(ctx, c, in)             a client runs one without a workflow
//
// # Messages
//
// What a running workflow answers and hears is defined in the same way: a
// [Query] asks without changing anything, a [Signal] tells without an answer,
// an [Update] changes the workflow and is answered. The workflow handles them:
//
//	err := api.Progress.Handle(ctx, func() (api.State, error) { return state, nil })
//	err := api.Pause.Handle(ctx, pause, nil)
//	order, err := api.Orders.Receive(ctx)
//
// and anyone with a client and the workflow's id sends them:
//
//	state, err := api.Progress.Ask(ctx, temporalClient, id, "")
//	paused, err := api.Pause.Execute(ctx, temporalClient, id, "", api.PauseRequest{})
//	err := api.Orders.Send(ctx, temporalClient, id, "", order)
//
// # Payloads
//
// Inputs and results are JSON. What is registered with the worker takes the raw
// payload and decodes it itself, so that a malformed request is an
// InvalidDataError, final, where a worker that leaves the decoding to the SDK
// would have it retried for ever. Activities refuse fields they do not know;
// workflows tolerate them, since histories written by a later version must
// stay readable. An input type with a method `Validate() error` is checked
// before it is sent and when it arrives. A payload of more than
// [MaxPayloadBytes] is refused before it is scheduled: large data travels as a
// reference to a file. Payload codecs (encryption, compression) of the client
// apply as usual.
//
// # Lifecycle
//
// An agent that needs more than functions implements some of the optional
// interfaces [Starter], [Stopper], [HealthChecker], [Describer] and [WorkerConfigurer].
// Package registry runs agents.
package agent
