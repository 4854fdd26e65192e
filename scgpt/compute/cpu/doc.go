// Package cpu is the compute device that needs nothing but a CPU; importing it
// registers the driver "cpu".
//
// The large products and the loops around them run in assembly where the
// processor has AVX-512, AVX2 with FMA, or NEON (arm64), chosen at run time, and
// in pure Go elsewhere (and everywhere with the build tag noasm). The
// instruction set is part of the device's class: "cpu/avx512/fp32",
// "cpu/avx2/fp32", "cpu/neon/fp32" or "cpu/generic/fp32". It can be forced, for a comparison or a test, in the
// device's name ("cpu:avx2") or in the environment variable TROUPE_CPU; the
// name goes before the variable.
//
// # Precision
//
// Products are in float32 unless the options ask for less, and are never
// lowered by themselves. "bf16" rounds the factors of all products to bfloat16
// and takes AVX512_BF16 or AMX: the class is "cpu/avx512bf16/bf16" or
// "cpu/amx/bf16". "bf16x3" multiplies three times, what rounding leaves and what
// it takes off, and is nearly as exact as float32. It takes AMX: with
// AVX512_BF16 it is slower than float32, and is had only by name
// ("cpu:avx512bf16"). AMX is used on Linux, when the kernel gives the process
// leave. Sums, softmax and norms are float32 in all.
//
// In float32 the products of a layer whose rows belong to one cell are made by
// Strassen's algorithm, once, on amd64: with seven multiplications of half the size
// for eight ([compute.PairUploader]). Its error is about that of plain sums where two
// rows, and two columns of weights, are of like size: embeddings of the full-size model
// are a tenth farther from those of float64 (go test -v -run Precision ./scgpt/model).
// A number that is not finite shows in both tokens of a pair, not in one.
//
// The bits of a bfloat16 product's sum are those that the processor's
// instruction gives; makers of processors may differ in its inner rounding.
//
// # The same bytes everywhere
//
// "cpu/generic/fp32" gives the same bytes on every architecture.
package cpu
