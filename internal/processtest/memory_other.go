//go:build !linux && !windows

package processtest

// CountsMemory is false: macOS and the BSDs tell no process how much memory it takes,
// without cgo, and no limit of theirs counts what Go's heap consists of.
const CountsMemory = false
