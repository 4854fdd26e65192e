//go:build !amd64 || noasm

package kernel

// emulated returns sets that only a test can run here.
func emulated() []*Set { return nil }
