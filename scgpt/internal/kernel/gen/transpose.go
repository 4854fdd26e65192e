package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose writes eight rows of 8·blocks columns as 8·blocks rows of eight:
// dst[p·ldd+i] = src[i·lds+p]. It is AVX2 code for both instruction sets;
// longer vectors gain nothing where every element moves.
func transpose() {
	TEXT("transpose8", NOSPLIT, "func(dst *float32, ldd int, src *float32, lds int, blocks int)")
	Pragma("noescape")
	blocks := param("blocks")
	strideBytes := func(name string) reg.GPVirtual {
		x := param(name)
		SHLQ(Imm(2), x)
		return x
	}
	dst := newRowPointers(8, param("dst"), strideBytes("ldd"))
	src := newRowPointers(8, param("src"), strideBytes("lds"))
	step := GP64()
	MOVQ(dst.stride, step)
	SHLQ(Imm(3), step)

	Label("block")
	// Rows i and i+4 share a register, so that the shuffles below stay
	// within halves: half of the work is done by the loads.
	var left, right [4]reg.VecVirtual // columns 0-3 and 4-7
	for i := range 4 {
		for side, x := range []*[4]reg.VecVirtual{&left, &right} {
			x[i] = YMM()
			VMOVUPS(src.row(i, 16*side), x[i].AsX())
			VINSERTF128(Imm(1), src.row(i+4, 16*side), x[i], x[i])
		}
	}
	for side, x := range [][4]reg.VecVirtual{left, right} {
		low01, high01, low23, high23 := YMM(), YMM(), YMM(), YMM()
		VUNPCKLPS(x[1], x[0], low01)
		VUNPCKHPS(x[1], x[0], high01)
		VUNPCKLPS(x[3], x[2], low23)
		VUNPCKHPS(x[3], x[2], high23)
		for q, pair := range [][2]reg.VecVirtual{{low01, low23}, {high01, high23}} {
			for half, selector := range []uint64{0x44, 0xee} {
				column := YMM()
				VSHUFPS(Imm(selector), pair[1], pair[0], column)
				VMOVUPS(column, dst.row(4*side+2*q+half, 0))
			}
		}
	}
	src.advance(32)
	for _, base := range dst.bases {
		ADDQ(step, base)
	}
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}
