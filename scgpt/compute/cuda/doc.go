// Package cuda is the compute device on NVIDIA GPUs; importing it registers the
// driver "cuda".
//
//	import _ "github.com/seed-ab6af24b/troupe/scgpt/compute/cuda"
//
//	dev, err := compute.Open("cuda:0", compute.Options{Precision: compute.BF16})
//
// The device itself is compiled with the build tag cuda, which needs CUDA's
// headers and libraries; README.md has the environment. Without the tag nothing
// of CUDA is compiled or linked, and Open says how to build with it. A program
// with the tag ends in its init, before main, where there is no GPU: keep it an
// executable of its own, as cmd/troupe-cuda-worker is.
//
// # Names
//
// "cuda" is the first GPU, "cuda:1" the second. Options follow the number,
// separated by commas:
//
//	memory=0.9        share of the memory free at Open that tensors may take
//	batch=131072      tokens per call for which BatchTokens asks
//	attention=auto    auto, wgmma, mma, cublas or simple
//	rows=256          rows to which products are padded
//	algorithm=0       which of cuBLAS's proposals for a product to take
//	arena=on          off: one driver allocation for each tensor
//
// The last four are for tests and measurements.
//
// # Classes and bytes
//
// The class is cuda/sm90/fp32, with the GPU's architecture and the precision
// (fp32, tf32 or bf16). Within one class, and one version of CUDA's libraries, a
// row of a result has the same bytes in any batch: products run with one
// algorithm for each depth of the sums, chosen without measuring and never with
// the sums split, over rows padded to a constant multiple; no kernel adds with
// atomics.
//
// In bf16, tensors of a multiple of 64 columns are stored as bfloat16 between
// operations; norms, softmax and sums are float32.
package cuda
