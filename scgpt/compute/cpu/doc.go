// Package cpu is the compute device that needs nothing but a CPU; importing it
// registers the driver "cpu".
//
// The large products and the loops around them run in assembly where the
// processor has AVX-512 or AVX2 with FMA, chosen at run time, and in pure Go
// elsewhere (and everywhere with the build tag noasm). The instruction set is
// part of the device's class: "cpu/avx512/fp32", "cpu/avx2/fp32" or
// "cpu/generic/fp32". It can be forced, for a comparison or a test, in the
// device's name ("cpu:avx2") or in the environment variable TROUPE_CPU; the
// name goes before the variable.
//
// "cpu/generic/fp32" gives the same bytes on every architecture.
package cpu
