//go:build amd64 && !noasm

package kernel

// Sets returns the sets that this processor can run, best first.
func Sets() []*Set { return []*Set{Generic} }
