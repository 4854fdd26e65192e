// Command gen writes the assembly of package kernel; see the go:generate lines
// there. Each instruction set gets the same functions, with its name at the
// end:
//
//	gemm<m>      a tile of m rows by two vectors of columns
//	softmax      row = exp(row - max), and the sum
//	scale        dst = s·src
//	addNorm      dst = layer norm of a + b
//
// and both share transpose8, which packs rows.
//
// What a function computes is documented at kernel.Set.
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	set := flag.String("set", "", "instruction set: avx2 or avx512")
	flag.Parse()
	var v vectors
	switch *set {
	case "avx2":
		v = &avx2{}
	case "avx512":
		v = &avx512{}
	default:
		log.Fatalf("gen: unknown instruction set %q", *set)
	}
	ConstraintExpr("amd64,!noasm")
	for rows := 1; rows <= v.tileRows(); rows++ {
		gemm(v, rows)
	}
	softmax(v)
	scale(v)
	addNorm(v)
	if *set == "avx2" {
		transpose()
	}
	Generate()
}
