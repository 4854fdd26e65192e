//go:build amd64 && !noasm

package kernel

import (
	"slices"
	"strings"

	"golang.org/x/sys/cpu"
)

//go:generate env GOWORK=off go -C gen run . -set avx2 -pkg kernel -out ../avx2_amd64.s -stubs ../avx2_amd64.go
//go:generate env GOWORK=off go -C gen run . -set avx512 -pkg kernel -out ../avx512_amd64.s -stubs ../avx512_amd64.go
//go:generate env GOWORK=off go -C gen run . -set avx512bf16 -pkg kernel -out ../avx512bf16_amd64.s -stubs ../avx512bf16_amd64.go
//go:generate env GOWORK=off go -C gen run . -set amx

// Sets returns the sets that this processor can run, those of the highest
// precision first, and of equal precision the best first.
func Sets() []*Set {
	var sets []*Set
	has512 := cpu.X86.HasAVX512F && cpu.X86.HasBMI2 && cpu.X86.HasAVX2
	if has512 {
		sets = append(sets, avx512)
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		sets = append(sets, avx2)
	}
	sets = append(sets, Generic)
	if has512 && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512BF16 {
		if cpu.X86.HasAMXTile && cpu.X86.HasAMXBF16 && requestAMX() == nil {
			sets = append(sets, amx, threefold(amx))
		}
		sets = append(sets, avx512bf16)
	}
	return sets
}

// Features names what this processor has of that which kernels can use.
func Features() string {
	var names []string
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"AVX2", cpu.X86.HasAVX2}, {"FMA", cpu.X86.HasFMA}, {"AVX-512", cpu.X86.HasAVX512F},
		{"AVX512_BF16", cpu.X86.HasAVX512BF16}, {"AMX", cpu.X86.HasAMXBF16},
	} {
		if f.has {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}

// Unlisted returns sets that this processor can run, but that would be slower
// than one of a higher precision: bf16x3 on AVX512_BF16.
func Unlisted() []*Set {
	if slices.Contains(Sets(), avx512bf16) {
		return []*Set{threefold(avx512bf16)}
	}
	return nil
}

// threefold returns a set that multiplies three times.
func threefold(bf16 *Set) *Set {
	s, h := *bf16, *bf16.halves
	h.parts = 3
	s.Precision, s.halves = "bf16x3", &h
	return &s
}

var avx512 = &Set{
	Name:      "avx512",
	Precision: "fp32",
	MR:        14,
	NR:        32,
	Gemm: gemm(32, []tileFunc{
		gemm1AVX512, gemm2AVX512, gemm3AVX512, gemm4AVX512, gemm5AVX512, gemm6AVX512, gemm7AVX512,
		gemm8AVX512, gemm9AVX512, gemm10AVX512, gemm11AVX512, gemm12AVX512, gemm13AVX512, gemm14AVX512,
	}),
	Max: largest(largestAVX512),
	Softmax: func(row []float32, s float32) float32 {
		if len(row) == 0 {
			return 0
		}
		return softmaxAVX512(&row[0], len(row), s*log2e)
	},
	Scale: func(dst, src []float32, s float32) {
		if len(dst) > 0 {
			scaleAVX512(&dst[0], &src[:len(dst)][0], len(dst), s)
		}
	},
	Add:        sum(sumAVX512),
	AddNorm:    addNorm(addNormAVX512),
	copyRows:   copyRows(32, copyRowsAVX512),
	addRows:    addRows(32, addRowsAVX512),
	pairRows:   pairRows(pairRowsAVX512),
	prefetch:   [2]prefetchFunc{prefetch(prefetchAVX512), prefetch(prefetchWriteAVX512)},
	transpose8: transpose,
}

var avx2 = &Set{
	Name:      "avx2",
	Precision: "fp32",
	MR:        6,
	NR:        16,
	Gemm:      gemm(16, []tileFunc{gemm1AVX2, gemm2AVX2, gemm3AVX2, gemm4AVX2, gemm5AVX2, gemm6AVX2}),
	Max:       largest(largestAVX2),
	Softmax: func(row []float32, s float32) float32 {
		if len(row) == 0 {
			return 0
		}
		return softmaxAVX2(&row[0], len(row), s*log2e)
	},
	Scale: func(dst, src []float32, s float32) {
		if len(dst) > 0 {
			scaleAVX2(&dst[0], &src[:len(dst)][0], len(dst), s)
		}
	},
	Add:        sum(sumAVX2),
	AddNorm:    addNorm(addNormAVX2),
	copyRows:   copyRows(16, copyRowsAVX2),
	addRows:    addRows(16, addRowsAVX2),
	pairRows:   pairRows(pairRowsAVX2),
	prefetch:   [2]prefetchFunc{prefetch(prefetchAVX2), prefetch(prefetchWriteAVX2)},
	transpose8: transpose,
}

// avx512bf16 shares with avx512 all that does not touch factors.
var avx512bf16 = &Set{
	Name:      "avx512bf16",
	Precision: "bf16",
	MR:        14,
	NR:        32,
	Gemm:      gemm(32, gemmTilesBF16),
	Max:       avx512.Max,
	Softmax:   avx512.Softmax,
	Scale:     avx512.Scale,
	Add:       avx512.Add,
	AddNorm:   avx512.AddNorm,
	halves:    &halves{parts: 1, step: 8, round: round, interleave: interleave, softmax: softmaxWords},

	prefetch:   avx512.prefetch,
	transpose8: transpose,
}

var gemmTilesBF16 = []tileFunc{
	gemm1AVX512BF16, gemm2AVX512BF16, gemm3AVX512BF16, gemm4AVX512BF16, gemm5AVX512BF16, gemm6AVX512BF16, gemm7AVX512BF16,
	gemm8AVX512BF16, gemm9AVX512BF16, gemm10AVX512BF16, gemm11AVX512BF16, gemm12AVX512BF16, gemm13AVX512BF16, gemm14AVX512BF16,
}

func round(hi, lo []float32, ldd int, src []float32, ld, rows, n int) {
	if rows < 1 || n < 1 {
		return
	}
	end := (rows-1)*ldd + (n+15)/16*8
	_, _ = src[(rows-1)*ld+n-1], hi[end-1]
	var low *float32
	if lo != nil {
		low = &lo[:end][0]
	}
	roundAVX512BF16(&hi[0], low, ldd, &src[0], ld, rows, n)
}

func interleave(hi, lo, src []float32, ld, pairs int) {
	_, _ = src[(2*pairs-1)*ld+31], hi[32*pairs-1]
	var low *float32
	if lo != nil {
		low = &lo[:32*pairs][0]
	}
	interleaveAVX512BF16(&hi[0], low, &src[0], ld, pairs)
}

func softmaxWords(dst, row []float32, scale float32) float32 {
	if len(row) == 0 {
		return 0
	}
	_ = dst[(len(row)+15)/16*8-1]
	return softmaxAVX512BF16(&dst[0], &row[0], len(row), scale*log2e)
}

func prefetch(f func(rows *float32, ld int, m int, n int)) prefetchFunc {
	return func(rows []float32, ld, m, n int) {
		if m < 1 || n < 1 {
			return
		}
		_ = rows[(m-1)*ld+n-1]
		f(&rows[0], ld, m, n)
	}
}

func copyRows(nr int, f func(dst *float32, ldd int, src *float32, lds int, rows int)) func(dst []float32, ldd int, src []float32, lds, rows int) {
	return func(dst []float32, ldd int, src []float32, lds, rows int) {
		if rows < 1 {
			return
		}
		_, _ = dst[(rows-1)*ldd+nr-1], src[(rows-1)*lds+nr-1]
		f(&dst[0], ldd, &src[0], lds, rows)
	}
}

func addRows(nr int, f func(dst *float32, ldd int, src *float32, lds int, more *float32, rows int, low float32)) func(dst []float32, ldd int, src []float32, lds int, more []float32, rows int, low float32) {
	return func(dst []float32, ldd int, src []float32, lds int, more []float32, rows int, low float32) {
		if rows < 1 {
			return
		}
		_, _, _ = dst[(rows-1)*ldd+nr-1], src[(rows-1)*lds+nr-1], more[rows*nr-1]
		f(&dst[0], ldd, &src[0], lds, &more[0], rows, low)
	}
}

func pairRows(f func(dst *float32, plane int, first *float32, second *float32, n int)) func(dst []float32, plane int, first, second []float32) {
	return func(dst []float32, plane int, first, second []float32) {
		half := len(first) / 2
		if half < 16 || half%16 != 0 {
			panic("kernel: halves of rows are no whole vectors")
		}
		_, _ = dst[(pairPlanes-1)*plane+half-1], second[2*half-1]
		f(&dst[0], plane, &first[0], &second[0], half)
	}
}

func transpose(dst []float32, ldd int, src []float32, lds, blocks int) {
	if blocks < 1 {
		return
	}
	_, _ = dst[(8*blocks-1)*ldd+7], src[7*lds+8*blocks-1]
	transpose8(&dst[0], ldd, &src[0], lds, blocks)
}
