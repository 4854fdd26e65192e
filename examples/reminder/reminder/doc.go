// Package reminder is an agent that reminds: its workflow sleeps until a time and
// then has an activity append a line to a file, exactly once, however often the
// worker dies meanwhile.
//
// # What a workflow may do
//
// The code of a workflow runs again from its beginning whenever a worker takes
// the workflow over: after a crash, a restart, or when it fell out of a cache.
// What is in its history is then not done again but answered from there, so
// the code must come to the same decisions. It may not look at anything that
// differs from run to run; Temporal has a counterpart for each such thing:
//
//	instead of               a workflow uses
//	time.Now                 workflow.Now: when the step was first taken
//	time.Sleep, time.After   workflow.Sleep, workflow.NewTimer: the server keeps
//	                         the timer, and no worker needs to be there meanwhile
//	math/rand                workflow.GetRandomStream: the same numbers every time
//	uuid.New, crypto/rand    workflow.SideEffect: runs once, the result is recorded
//	go, chan, select         workflow.Go, workflow.Channel, workflow.Selector
//	range over a map         workflow.DeterministicKeys
//	log, slog                workflow.GetLogger: says things once
//	files, networks, os      an activity
//
// workflow.go uses the first five. Methods that run inside a workflow are bound
// by the same rule, [Request.Validate] for one. The tool workflowcheck of the
// SDK finds most offences, and the replay of a recorded history the others
// (agent_test.go).
//
// # What an activity may do
//
// Anything: it is ordinary code, and never replayed. Only its result is
// recorded. But it may run more than once, when a worker dies after the work
// and before the server has heard of it. Work that must be done once is keyed
// by something that all attempts share, here the id of the workflow: see
// append.go.
package reminder
