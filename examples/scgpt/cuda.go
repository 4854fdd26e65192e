//go:build cuda

package main

// With the tag this program is the CUDA worker: the same commands, and the
// device "cuda" in them. It ends before main where there is no GPU.
import _ "github.com/seed-ab6af24b/troupe/scgpt/compute/cuda"
