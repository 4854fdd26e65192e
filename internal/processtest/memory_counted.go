//go:build linux || windows

package processtest

// CountsMemory tells that the system counts the memory of a process, so that its
// status says how much it takes and what limits it.
const CountsMemory = true
