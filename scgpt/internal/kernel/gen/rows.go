package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// loop runs body over the whole vectors of a row of n numbers and tail, if
// numbers remain, over those. Offsets are bytes from the row's begin. setTail
// has been called.
func loop(v vectors, label string, n reg.GPVirtual, body, tail func(offset reg.GPVirtual)) {
	offset, left := begin(n)
	vectorsLeft(v, label, offset, left, 1, func() { body(offset) })
	rest(label, left, func() { tail(offset) })
}

// loopBy is loop that takes several vectors at a time as long as there are, of
// which body is told the number and the distance, so that each can have a sum of
// its own: one sum alone would make the vectors wait for each other.
func loopBy(v vectors, label string, by int, n reg.GPVirtual, body func(offset reg.GPVirtual, i, disp int), tail func(offset reg.GPVirtual)) {
	offset, left := begin(n)
	vectorsLeft(v, label+"By", offset, left, by, func() {
		for i := range by {
			body(offset, i, i*bytes(v))
		}
	})
	vectorsLeft(v, label, offset, left, 1, func() { body(offset, 0, 0) })
	rest(label, left, func() { tail(offset) })
}

func begin(n reg.GPVirtual) (offset, left reg.GPVirtual) {
	offset, left = GP64(), GP64()
	XORQ(offset, offset)
	MOVQ(n, left)
	return offset, left
}

// vectorsLeft runs body as long as so many vectors are left.
func vectorsLeft(v vectors, label string, offset, left reg.GPVirtual, count int, body func()) {
	SUBQ(Imm(uint64(count*v.lanes())), left)
	JLT(LabelRef(label + "Less"))
	Label(label)
	body()
	ADDQ(U32(uint32(count*bytes(v))), offset)
	SUBQ(Imm(uint64(count*v.lanes())), left)
	JGE(LabelRef(label))
	Label(label + "Less")
	ADDQ(Imm(uint64(count*v.lanes())), left)
}

func rest(label string, left reg.GPVirtual, tail func()) {
	TESTQ(left, left)
	JEQ(LabelRef(label + "End"))
	tail()
	Label(label + "End")
}

func at(base, offset reg.GPVirtual) Mem { return Mem{Base: base, Index: offset, Scale: 1} }

func param(name string) reg.GPVirtual {
	x := GP64()
	Load(Param(name), x)
	return x
}

// rowLength loads the parameter n and prepares for its tail.
func rowLength(v vectors) reg.GPVirtual {
	n := param("n")
	tail := GP64()
	MOVQ(n, tail)
	ANDQ(Imm(uint64(v.lanes()-1)), tail)
	v.setTail(tail)
	return n
}

// Coefficients of 2^f on [-1/2, 1/2] and the smallest exponent, as in
// kernel's exp.go.
var exp2Coefficients = [...]float32{0.6931471824645996, 0.24022647738456726, 0.055503323674201965, 0.009618437848985195, 0.001339887734502554, 0.00015353267372120172}

const minExp2 = -126

// exp2 returns a function that replaces a vector x ≤ 0 by 2^x.
func exp2(v vectors) func(x reg.VecVirtual) {
	least := broadcastConst(v, "least", minExp2)
	one := broadcastConst(v, "one", 1)
	var c []reg.VecVirtual
	for i, value := range exp2Coefficients {
		c = append(c, broadcastConst(v, "exp"+string(rune('1'+i)), value))
	}
	return func(x reg.VecVirtual) {
		whole, p := v.vector(), v.vector()
		VMAXPS(least, x, x)
		v.round(x, whole)
		VSUBPS(whole, x, x)
		VMOVAPS(c[5], p)
		for i := 4; i >= 0; i-- {
			VFMADD213PS(c[i], x, p)
		}
		VFMADD213PS(one, x, p)
		v.scale2(p, whole, x)
	}
}

func add(ops ...Op)           { VADDPS(ops...) }
func addScalar(ops ...Op)     { VADDSS(ops...) }
func maximum(ops ...Op)       { VMAXPS(ops...) }
func maximumScalar(ops ...Op) { VMAXSS(ops...) }

// rowMaximum returns the largest number of a row, the lowest of a register.
func rowMaximum(v vectors, row, n reg.GPVirtual) reg.Register {
	const by = 4
	var tops [by]reg.VecVirtual
	for i := range tops {
		tops[i] = broadcastConst(v, "minusInf", float32(math.Inf(-1)))
	}
	filler := v.vector()
	VMOVAPS(tops[0], filler)
	loopBy(v, "max", by, n, func(offset reg.GPVirtual, i, disp int) {
		VMAXPS(Mem{Base: row, Index: offset, Scale: 1, Disp: disp}, tops[i], tops[i])
	}, func(offset reg.GPVirtual) {
		x := v.vector()
		v.loadTail(at(row, offset), x)
		v.fillTail(x, filler)
		VMAXPS(x, tops[0], tops[0])
	})
	for i := 1; i < by; i++ {
		VMAXPS(tops[i], tops[0], tops[0])
	}
	top := tops[0]
	return reduce(v, top, maximum, maximumScalar)
}

func largest(v vectors) {
	TEXT("largest"+v.name(), NOSPLIT, "func(row *float32, n int) float32")
	Pragma("noescape")
	n := rowLength(v)
	VMOVSS(rowMaximum(v, param("row"), n), address(ReturnIndex(0)))
	VZEROUPPER()
	RET()
}

func softmax(v vectors) {
	TEXT("softmax"+v.name(), NOSPLIT, "func(row *float32, n int, scale float32) float32")
	Pragma("noescape")
	n := rowLength(v)
	row := param("row")
	most := v.vector()
	VBROADCASTSS(rowMaximum(v, row, n), most)
	scale, sum := broadcastParam(v, "scale"), v.vector()
	v.zero(sum)
	exp := exp2(v)
	loop(v, "exp", n, func(offset reg.GPVirtual) {
		x := v.vector()
		VMOVUPS(at(row, offset), x)
		VSUBPS(most, x, x)
		VMULPS(scale, x, x)
		exp(x)
		VMOVUPS(x, at(row, offset))
		VADDPS(x, sum, sum)
	}, func(offset reg.GPVirtual) {
		x := v.vector()
		v.loadTail(at(row, offset), x)
		VSUBPS(most, x, x)
		VMULPS(scale, x, x)
		exp(x)
		v.keepTail(x)
		v.storeTail(x, at(row, offset))
		VADDPS(x, sum, sum)
	})
	VMOVSS(reduce(v, sum, add, addScalar), address(ReturnIndex(0)))
	VZEROUPPER()
	RET()
}

func scale(v vectors) {
	TEXT("scale"+v.name(), NOSPLIT, "func(dst *float32, src *float32, n int, s float32)")
	Pragma("noescape")
	n := rowLength(v)
	dst, src := param("dst"), param("src")
	s := broadcastParam(v, "s")
	loop(v, "loop", n, func(offset reg.GPVirtual) {
		x := v.vector()
		VMULPS(at(src, offset), s, x)
		VMOVUPS(x, at(dst, offset))
	}, func(offset reg.GPVirtual) {
		x := v.vector()
		v.loadTail(at(src, offset), x)
		VMULPS(x, s, x)
		v.storeTail(x, at(dst, offset))
	})
	VZEROUPPER()
	RET()
}

func sum(v vectors) {
	TEXT("sum"+v.name(), NOSPLIT, "func(dst *float32, a *float32, b *float32, n int)")
	Pragma("noescape")
	n := rowLength(v)
	dst, a, b := param("dst"), param("a"), param("b")
	loop(v, "loop", n, func(offset reg.GPVirtual) {
		x := v.vector()
		VMOVUPS(at(a, offset), x)
		VADDPS(at(b, offset), x, x)
		VMOVUPS(x, at(dst, offset))
	}, func(offset reg.GPVirtual) {
		x, y := v.vector(), v.vector()
		v.loadTail(at(a, offset), x)
		v.loadTail(at(b, offset), y)
		VADDPS(y, x, x)
		v.storeTail(x, at(dst, offset))
	})
	VZEROUPPER()
	RET()
}

// prefetch asks the memory for the lines of some rows of n numbers, ld apart, to
// read them, and prefetchWrite to write them: PREFETCHW (0F 0D /1), which neither
// avo nor Go's assembler has, with the address in RAX.
func prefetch(v vectors, name string, line func(Mem)) {
	TEXT(name+v.name(), NOSPLIT, "func(rows *float32, ld int, m int, n int)")
	Pragma("noescape")
	rows, ld, m, n := param("rows"), param("ld"), param("m"), param("n")
	SHLQ(Imm(2), ld)
	SHLQ(Imm(2), n)
	Label("row")
	offset := GP64()
	XORQ(offset, offset)
	Label("line")
	line(at(rows, offset))
	ADDQ(Imm(64), offset)
	CMPQ(offset, n)
	JLT(LabelRef("line"))
	ADDQ(ld, rows)
	DECQ(m)
	JNZ(LabelRef("row"))
	RET()
}

func toRead(m Mem) { PREFETCHT0(m) }

func toWrite(m Mem) {
	LEAQ(m, reg.RAX)
	Instruction(&ir.Instruction{Opcode: "WORD", Operands: []Op{U16(0x0d0f)}, Inputs: []Op{reg.RAX}})
	Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []Op{U8(0x08)}})
}

// copyRows copies rows of a tile's columns, ldd and lds apart.
func copyRows(v vectors) {
	TEXT("copyRows"+v.name(), NOSPLIT, "func(dst *float32, ldd int, src *float32, lds int, rows int)")
	Pragma("noescape")
	dst, ldd, src, lds, rows := param("dst"), param("ldd"), param("src"), param("lds"), param("rows")
	SHLQ(Imm(2), ldd)
	SHLQ(Imm(2), lds)
	Label("row")
	for j := range 2 {
		x := v.vector()
		VMOVUPS(Mem{Base: src, Disp: j * bytes(v)}, x)
		VMOVUPS(x, Mem{Base: dst, Disp: j * bytes(v)})
	}
	ADDQ(lds, src)
	ADDQ(ldd, dst)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// addRows sets rows of a tile's columns, ldd apart, to the sum of rows lds apart and
// of rows that follow one another, or to low where that is more. NaN stays NaN.
func addRows(v vectors) {
	TEXT("addRows"+v.name(), NOSPLIT, "func(dst *float32, ldd int, src *float32, lds int, more *float32, rows int, low float32)")
	Pragma("noescape")
	dst, ldd, src, lds, more, rows := param("dst"), param("ldd"), param("src"), param("lds"), param("more"), param("rows")
	low := v.vector()
	at, err := Param("low").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(at.Addr, low)
	SHLQ(Imm(2), ldd)
	SHLQ(Imm(2), lds)
	Label("row")
	for j := range 2 {
		x := v.vector()
		VMOVUPS(Mem{Base: src, Disp: j * bytes(v)}, x)
		VADDPS(Mem{Base: more, Disp: j * bytes(v)}, x, x)
		VMAXPS(x, low, x)
		VMOVUPS(x, Mem{Base: dst, Disp: j * bytes(v)})
	}
	ADDQ(lds, src)
	ADDQ(ldd, dst)
	ADDQ(U32(uint32(2*bytes(v))), more)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// pairRows writes the seven half rows of a pair, plane numbers apart; n, the
// length of a half, is a multiple of 16.
func pairRows(v vectors) {
	TEXT("pairRows"+v.name(), NOSPLIT, "func(dst *float32, plane int, first *float32, second *float32, n int)")
	Pragma("noescape")
	dst, plane, first, second, n := param("dst"), param("plane"), param("first"), param("second"), param("n")
	SHLQ(Imm(2), plane)
	SHLQ(Imm(2), n)
	ends := [2]reg.GPVirtual{GP64(), GP64()} // of the first halves
	for i, row := range []reg.GPVirtual{first, second} {
		LEAQ(Mem{Base: row, Index: n, Scale: 1}, ends[i])
	}
	to := newRowPointers(7, dst, plane)
	Label("loop")
	a11, a12, a21, a22 := v.vector(), v.vector(), v.vector(), v.vector()
	VMOVUPS(Mem{Base: first}, a11)
	VMOVUPS(Mem{Base: ends[0]}, a12)
	VMOVUPS(Mem{Base: second}, a21)
	VMOVUPS(Mem{Base: ends[1]}, a22)
	s1, s2, s3, s4 := v.vector(), v.vector(), v.vector(), v.vector()
	VADDPS(a22, a21, s1)
	VSUBPS(a11, s1, s2)
	VSUBPS(a21, a11, s3)
	VSUBPS(s2, a12, s4)
	for i, x := range []reg.Register{a11, a12, a22, s1, s2, s3, s4} {
		VMOVUPS(x, to.row(i, 0))
	}
	for _, p := range append([]reg.GPVirtual{first, second, ends[0], ends[1]}, to.bases...) {
		ADDQ(U32(uint32(bytes(v))), p)
	}
	SUBQ(U32(uint32(bytes(v))), n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// addNorm goes over the row three times: sum, squares, result. b may be nil.
func addNorm(v vectors) {
	TEXT("addNorm"+v.name(), NOSPLIT, "func(dst *float32, a *float32, b *float32, gamma *float32, beta *float32, n int, eps float32)")
	Pragma("noescape")
	n := rowLength(v)
	dst, a, b := param("dst"), param("a"), param("b")

	sum := v.vector()
	v.zero(sum)
	TESTQ(b, b)
	JZ(LabelRef("alone"))
	loop(v, "both", n, func(offset reg.GPVirtual) {
		x := v.vector()
		VMOVUPS(at(a, offset), x)
		VADDPS(at(b, offset), x, x)
		VMOVUPS(x, at(dst, offset))
		VADDPS(x, sum, sum)
	}, func(offset reg.GPVirtual) {
		x, y := v.vector(), v.vector()
		v.loadTail(at(a, offset), x)
		v.loadTail(at(b, offset), y)
		VADDPS(y, x, x)
		v.storeTail(x, at(dst, offset))
		VADDPS(x, sum, sum)
	})
	JMP(LabelRef("mean"))
	Label("alone")
	loop(v, "one", n, func(offset reg.GPVirtual) {
		x := v.vector()
		VMOVUPS(at(a, offset), x)
		VMOVUPS(x, at(dst, offset))
		VADDPS(x, sum, sum)
	}, func(offset reg.GPVirtual) {
		x := v.vector()
		v.loadTail(at(a, offset), x)
		v.storeTail(x, at(dst, offset))
		VADDPS(x, sum, sum)
	})

	Label("mean")
	count := XMM()
	VXORPS(count, count, count)
	VCVTSI2SSQ(n, count, count)
	divided := XMM()
	VDIVSS(count, reduce(v, sum, add, addScalar), divided)
	mean, squares := v.vector(), v.vector()
	VBROADCASTSS(divided, mean)
	v.zero(squares)
	loop(v, "squares", n, func(offset reg.GPVirtual) {
		x := v.vector()
		VMOVUPS(at(dst, offset), x)
		VSUBPS(mean, x, x)
		VFMADD231PS(x, x, squares)
	}, func(offset reg.GPVirtual) {
		x := v.vector()
		v.loadTail(at(dst, offset), x)
		VSUBPS(mean, x, x)
		v.keepTail(x)
		VFMADD231PS(x, x, squares)
	})
	variance := XMM()
	VDIVSS(count, reduce(v, squares, add, addScalar), variance)
	VADDSS(address(Param("eps")), variance, variance)
	VSQRTSS(variance, variance, variance)
	one := XMM()
	VMOVSS(constant("one"+v.name(), 1), one)
	VDIVSS(variance, one, one)
	inverse := v.vector()
	VBROADCASTSS(one, inverse)

	gamma, beta := param("gamma"), param("beta")
	loop(v, "norm", n, func(offset reg.GPVirtual) {
		x, y := v.vector(), v.vector()
		VMOVUPS(at(dst, offset), x)
		VSUBPS(mean, x, x)
		VMULPS(inverse, x, x)
		VMOVUPS(at(gamma, offset), y)
		VFMADD213PS(at(beta, offset), y, x)
		VMOVUPS(x, at(dst, offset))
	}, func(offset reg.GPVirtual) {
		x, y, z := v.vector(), v.vector(), v.vector()
		v.loadTail(at(dst, offset), x)
		VSUBPS(mean, x, x)
		VMULPS(inverse, x, x)
		v.loadTail(at(gamma, offset), y)
		v.loadTail(at(beta, offset), z)
		VFMADD213PS(z, y, x)
		v.storeTail(x, at(dst, offset))
	})
	VZEROUPPER()
	RET()
}
