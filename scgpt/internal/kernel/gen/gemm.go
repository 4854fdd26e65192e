package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// unroll is the number of steps along k in the main loop.
const unroll = 4

// Bits of flags, as in kernel.Flags; hasBias is the wrapper's.
const (
	accumulate = 1 << iota
	relu
	leakyReLU
	hasBias
)

// rowPointers address rows of a matrix: three rows from each pointer.
type rowPointers struct {
	bases  []reg.GPVirtual
	stride reg.GPVirtual // bytes
}

func newRowPointers(rows int, base, stride reg.GPVirtual) rowPointers {
	p := rowPointers{[]reg.GPVirtual{base}, stride}
	if rows <= 3 {
		return p
	}
	three := GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, three)
	for r := 3; r < rows; r += 3 {
		next := GP64()
		LEAQ(Mem{Base: p.bases[len(p.bases)-1], Index: three, Scale: 1}, next)
		p.bases = append(p.bases, next)
	}
	return p
}

func (p rowPointers) row(r, disp int) Mem {
	m := Mem{Base: p.bases[r/3], Disp: disp}
	if r%3 > 0 {
		m.Index, m.Scale = p.stride, uint8(r%3)
	}
	return m
}

func copyOf(x reg.GPVirtual) reg.GPVirtual {
	y := GP64()
	MOVQ(x, y)
	return y
}

func (p rowPointers) advance(n int) {
	for _, b := range p.bases {
		ADDQ(Imm(uint64(n)), b)
	}
}

// gemm writes tiles of some rows and two vectors of columns, one below the other.
// Each sum has one register from the first to the last step. k counts words:
// float32, or pairs of bfloat16.
func gemm(v vectors, rows int) {
	const nv = 2
	w := bytes(v)
	TEXT(fmt.Sprintf("gemm%d%s", rows, v.name()), NOSPLIT, "func(tiles int, k int, a *float32, lda int, b *float32, c *float32, ldc int, bias *float32, flags int)")
	Pragma("noescape")

	file := v.registers()
	var sums [][nv]reg.Register
	for range rows {
		var row [nv]reg.Register
		for j := range nv {
			row[j] = file.next()
		}
		sums = append(sums, row)
	}
	each := func(f func(r, j int, sum reg.Register)) {
		for r := range rows {
			for j := range nv {
				f(r, j, sums[r][j])
			}
		}
	}
	load := func(name string) reg.GPVirtual {
		x := GP64()
		Load(Param(name), x)
		return x
	}
	stride := func(name string) reg.GPVirtual {
		x := load(name)
		SHLQ(Imm(2), x)
		return x
	}

	tiles, aTile, cTile := load("tiles"), load("a"), load("c")
	Label("tile")
	flags := load("flags")
	TESTQ(U32(hasBias), flags)
	JNZ(LabelRef("bias"))
	TESTQ(U32(accumulate), flags)
	JNZ(LabelRef("accumulate"))
	each(func(_, _ int, sum reg.Register) { v.zero(sum) })
	JMP(LabelRef("begin"))

	Label("bias")
	bias := load("bias")
	each(func(_, j int, sum reg.Register) { VMOVUPS(Mem{Base: bias, Disp: j * w}, sum) })
	JMP(LabelRef("begin"))

	Label("accumulate")
	old := newRowPointers(rows, copyOf(cTile), stride("ldc"))
	each(func(r, j int, sum reg.Register) { VMOVUPS(old.row(r, j*w), sum) })

	Label("begin")
	a := newRowPointers(rows, copyOf(aTile), stride("lda"))
	b, k := load("b"), load("k")
	step := func(u int) {
		used := file
		var weights [nv]reg.Register
		for j := range nv {
			weights[j] = used.next()
			VMOVUPS(Mem{Base: b, Disp: (u*nv + j) * w}, weights[j])
		}
		for r := range rows {
			rest := used
			factor := rest.next()
			VBROADCASTSS(a.row(r, 4*u), factor)
			for j := range nv {
				v.multiplyAdd(weights[j], factor, sums[r][j])
			}
		}
	}
	SUBQ(Imm(unroll), k)
	JLT(LabelRef("rest"))
	Label("loop")
	for u := range unroll {
		step(u)
	}
	ADDQ(U32(uint32(unroll*nv*w)), b)
	a.advance(4 * unroll)
	SUBQ(Imm(unroll), k)
	JGE(LabelRef("loop"))
	Label("rest")
	ADDQ(Imm(unroll), k)
	JEQ(LabelRef("end"))
	Label("single")
	step(0)
	ADDQ(U32(uint32(nv*w)), b)
	a.advance(4)
	DECQ(k)
	JNZ(LabelRef("single"))

	// The sum is the last operand of the maximum so that NaN stays NaN.
	Label("end")
	flags = load("flags")
	TESTQ(U32(relu), flags)
	JZ(LabelRef("leaky"))
	zero := file.next()
	v.zero(zero)
	each(func(_, _ int, sum reg.Register) { VMAXPS(sum, zero, sum) })
	JMP(LabelRef("store"))
	Label("leaky")
	TESTQ(U32(leakyReLU), flags)
	JZ(LabelRef("store"))
	used := file
	slope := used.next()
	VBROADCASTSS(constant("slope"+v.name(), 0.01), slope)
	each(func(_, _ int, sum reg.Register) {
		rest := used
		scaled := rest.next()
		VMULPS(slope, sum, scaled)
		VMAXPS(sum, scaled, sum)
	})
	Label("store")
	c := newRowPointers(rows, copyOf(cTile), stride("ldc"))
	each(func(r, j int, sum reg.Register) { VMOVUPS(sum, c.row(r, j*w)) })
	down := func(tile reg.GPVirtual, ld string) {
		step := stride(ld)
		IMUL3Q(U32(uint32(rows)), step, step)
		ADDQ(step, tile)
	}
	down(aTile, "lda")
	down(cTile, "ldc")
	DECQ(tiles)
	JNZ(LabelRef("tile"))
	VZEROUPPER()
	RET()
}
