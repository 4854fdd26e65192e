//go:build !linux && !windows

package processtest

// CountsMemory is false: macOS and the BSDs tell no process how much memory it takes,
// without cgo, and no limit of theirs counts Go's heap alone.
const CountsMemory = false
