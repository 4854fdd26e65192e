//go:build arm64 && !noasm

package kernel

// Sets returns the sets that this processor can run, best first. Every arm64
// processor has NEON.
func Sets() []*Set { return []*Set{neon, Generic} }

// Features names what this processor has of that which kernels can use.
func Features() string { return "NEON" }

// Unlisted returns sets that are slower than one of a higher precision.
func Unlisted() []*Set { return nil }

var neon = &Set{
	Name:      "neon",
	Precision: "fp32",
	MR:        8,
	NR:        8,
	Gemm: gemm(8, []tileFunc{
		gemm1NEON, gemm2NEON, gemm3NEON, gemm4NEON, gemm5NEON, gemm6NEON, gemm7NEON, gemm8NEON,
	}),
	Max: largest(largestNEON),
	Softmax: func(row []float32, s float32) float32 {
		if len(row) == 0 {
			return 0
		}
		return softmaxNEON(&row[0], len(row), s*log2e)
	},
	Scale: func(dst, src []float32, s float32) {
		if len(dst) > 0 {
			scaleNEON(&dst[0], &src[:len(dst)][0], len(dst), s)
		}
	},
	Add:     sum(sumNEON),
	AddNorm: addNorm(addNormNEON),
}
