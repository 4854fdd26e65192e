// Command gen writes the assembly of package kernel; see the go:generate lines
// there. Each instruction set gets the same functions, with its name at the
// end:
//
//	gemm<m>      a tile of m rows by two vectors of columns
//	largest      the maximum of a row
//	softmax      row = exp(row - max), and the sum
//	scale        dst = s·src
//	sum          dst = a + b
//	copyRows     columns of a matrix to another (amd64)
//	addRows      the sum of columns of a matrix and a panel (amd64)
//	pairRows     two rows as the seven half rows of a pair (amd64)
//	prefetch, prefetchWrite
//	             rows into the nearest cache (amd64)
//	addNorm      dst = layer norm of a + b
//
// and both share transpose8, which packs rows. The set of bfloat16 has
//
//	gemm<m>      the same over words of two bfloat16 each
//	fill         rows of a tile with a bias
//	activate     max(x, 0) or max(x, 0.01·x) on rows of a tile
//	round        float32 to words along rows
//	interleave   float32 to words along columns
//	softmax      to words
//
// The set neon, for arm64, has the functions of avx2 but transpose8; neon.go
// writes it without avo. The set amx is the gemm of AMX, beside the other
// functions of avx512bf16.
//
// What a function computes is documented at kernel.Set.
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	set := flag.String("set", "", "instruction set: avx2, avx512, avx512bf16, amx, neon or peak")
	flag.Parse()
	if *set == "amx" {
		writeAMX("../amx_amd64.s", "../amx_amd64.go")
		return
	}
	if *set == "neon" {
		writeNEON("../neon_arm64.s", "../neon_arm64.go")
		return
	}
	ConstraintExpr("amd64,!noasm")
	var v vectors
	switch *set {
	case "peak":
		peaks()
		Generate()
		return
	case "avx2":
		v = &avx2{}
	case "avx512":
		v = &avx512{}
	case "avx512bf16":
		v = &avx512bf16{}
	default:
		log.Fatalf("gen: unknown instruction set %q", *set)
	}
	for rows := 1; rows <= v.tileRows(); rows++ {
		gemm(v, rows)
	}
	if *set == "avx512bf16" {
		fill(v)
		activate(v)
		round(v)
		interleave(v)
		softmaxWords(v)
	} else {
		largest(v)
		softmax(v)
		scale(v)
		sum(v)
		copyRows(v)
		addRows(v)
		pairRows(v)
		prefetch(v, "prefetch", toRead)
		prefetch(v, "prefetchWrite", toWrite)
		addNorm(v)
	}
	if *set == "avx2" {
		transpose()
	}
	Generate()
}
