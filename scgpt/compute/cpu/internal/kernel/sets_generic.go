//go:build !amd64 || noasm

package kernel

// Sets returns the sets that this processor can run, best first.
func Sets() []*Set { return []*Set{Generic} }

// Features names what this processor has of that which kernels can use.
func Features() string { return "" }

// Unlisted returns sets that are there to be tested only.
func Unlisted() []*Set { return nil }
