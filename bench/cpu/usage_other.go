//go:build !unix

package main

// used is what the process has used so far, unknown on this system.
type used struct{ cpu, rssMB float64 }

func usage() used { return used{} }
