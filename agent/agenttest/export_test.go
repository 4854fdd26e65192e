package agenttest

// What the tests of Replay look at without failing themselves.
var (
	Histories  = histories
	ReplayFile = replay
)
