//go:build !(amd64 || arm64) || noasm

package kernel

// Sets returns the sets that this processor can run, best first.
func Sets() []*Set { return []*Set{Generic} }

// Features names what this processor has of that which kernels can use.
func Features() string { return "" }

// Unlisted returns sets that are slower than one of a higher precision.
func Unlisted() []*Set { return nil }
