package agenttest

// What the tests of Replay and Conformance look at without failing themselves.
var (
	Histories  = histories
	ReplayFile = replay
)
