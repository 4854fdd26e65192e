// Package agenttest helps to test agents, and programs that run agents. No
// production package imports it.
//
// # Conformance
//
// Every agent's tests run the suite that holds for all of them:
//
//	func TestConformance(t *testing.T) {
//		agenttest.Conformance(t, func() agent.Agent { return greeter.New("Hello") })
//	}
//
// # Running without a server
//
// An [Environment] runs one workflow of some agents in the test's process, with
// time that jumps to the next timer, and errors classed as by a real worker.
// What the workflow calls elsewhere, or what takes too long, is mocked, typed
// by its definition:
//
//	env := agenttest.NewEnvironment(t, agenttest.Start(t, greeter.New("Hello")))
//	lookup := agenttest.Mock(env, phonebook.Lookup).
//		Fail(errors.New("line busy")).
//		Return(phonebook.Entry{Number: "1234"})
//	out, err := agenttest.Run(env, api.Hello, api.Name{First: "Ada"})
//	require.NoError(t, err)
//	require.Len(t, lookup.Calls(), 2)
//
// [RunActivity] runs an activity alone, [Send], [Ask] and [Update] talk to the
// running workflow, and the SDK's own environment is embedded for the rest.
//
// # Histories
//
// Workflows that run while a worker is replaced go on with the new code, which
// must do what the recorded history says. [Record] writes a workflow's history
// to a file, [Replay] runs the workflow code against the files. They lie in
//
//	testdata/histories/<agent>/<workflow type>-<case>.json
//
// A change that is meant gets a new history beside the old ones, for as long as
// workflows from before the change may run.
//
// # A fake agent
//
// A [Fake] stands for an agent in tests of programs that run or call agents: it
// has the agent's name and queue, and activities that do what a [Script] says.
package agenttest
