//go:build !cuda

// Command bench measures the full-size model on a GPU; see main.go.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: built without CUDA; build it with -tags cuda (see scgpt/compute/cuda/README.md)")
	os.Exit(1)
}
