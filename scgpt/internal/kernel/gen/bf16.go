package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx512bf16 is AVX-512 with the two instructions of AVX512_BF16 that the
// kernels need. Neither avo nor Go's assembler has them: they are written as
// bytes, so their registers are physical ones.
type avx512bf16 struct{ avx512 }

func (*avx512bf16) name() string { return "AVX512BF16" }

var zmm = []reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

func (*avx512bf16) registers() registerFile { return registerFile{physical: zmm} }

// multiplyAdd is VDPBF16PS (EVEX.512.F3.0F38.W0 52 /r): to each float32 of sum
// it adds the products of both halves of a word.
func (*avx512bf16) multiplyAdd(weights, factor, sum reg.Register) {
	multiplyAddHalves(sum, factor, weights, evex512)
}

func multiplyAddHalves(sum, x, y reg.Register, size byte) {
	evex(0x52, size, sum, number(x), y, []Op{x, y, sum})
}

// roundHalves is VCVTNEPS2BF16 (EVEX.512.F3.0F38.W0 72 /r): sixteen float32 of
// from become sixteen bfloat16, to the nearest and to even, subnormal ones to
// zero.
func roundHalves(from, to reg.Register) { evex(0x72, evex512, to, 0, from, []Op{from}) }

func number(r reg.Register) byte { return byte(r.(reg.Physical).PhysicalIndex()) }

// Sizes of vectors in an EVEX prefix.
const evex256, evex512 = 0x20, 0x40

// evex writes an instruction EVEX.F3.0F38.W0 of registers.
func evex(opcode, size byte, dst reg.Register, second byte, rm reg.Register, inputs []Op) {
	bit := func(x byte, n, at int) byte { return (^x >> n & 1) << at }
	d, r := number(dst), number(rm)
	code := [6]byte{
		0x62,
		bit(d, 3, 7) | bit(r, 4, 6) | bit(r, 3, 5) | bit(d, 4, 4) | 0x02,
		^second&15<<3 | 0x04 | 0x02,
		size | bit(second, 4, 3),
		opcode,
		0xc0 | d&7<<3 | r&7,
	}
	little := func(b []byte) (x uint64) {
		for i, v := range b {
			x |= uint64(v) << (8 * i)
		}
		return x
	}
	Instruction(&ir.Instruction{Opcode: "LONG", Operands: []Op{U32(little(code[:4]))}, Inputs: inputs, Outputs: []Op{dst}})
	Instruction(&ir.Instruction{Opcode: "WORD", Operands: []Op{U16(little(code[4:]))}})
}

// halves rounds x, which it may change, and returns the bfloat16 in a vector
// of half the size.
func halves(x reg.VecVirtual) reg.VecVirtual {
	y := YMM()
	VMOVAPS(x, reg.Z31)
	roundHalves(reg.Z31, reg.Y15)
	VMOVAPS(reg.Y15, y)
	return y
}

// widened returns bfloat16 as the words that they are the upper halves of:
// the same numbers as float32.
func widened(y reg.VecVirtual) reg.VecVirtual {
	x := ZMM()
	VPMOVZXWD(y, x)
	VPSLLD(Imm(16), x, x)
	return x
}

// eachRow runs body on both vectors of some rows of c.
func eachRow(body func(to Mem)) {
	c, ldc, rows := param("c"), param("ldc"), param("rows")
	SHLQ(Imm(2), ldc)
	Label("row")
	for j := range 2 {
		body(Mem{Base: c, Disp: 64 * j})
	}
	ADDQ(ldc, c)
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// fill and activate do around a tile of AMX what gemm does itself.
func fill(v vectors) {
	TEXT("fill"+v.name(), NOSPLIT, "func(c *float32, ldc int, rows int, bias *float32)")
	Pragma("noescape")
	bias := param("bias")
	var x [2]reg.VecVirtual
	for j := range x {
		x[j] = ZMM()
		VMOVUPS(Mem{Base: bias, Disp: 64 * j}, x[j])
	}
	eachRow(func(to Mem) { VMOVUPS(x[to.Disp/64], to) })
}

func activate(v vectors) {
	TEXT("activate"+v.name(), NOSPLIT, "func(c *float32, ldc int, rows int, slope float32)")
	Pragma("noescape")
	slope := broadcastParam(v, "slope")
	eachRow(func(to Mem) {
		x, scaled := ZMM(), ZMM()
		VMOVUPS(to, x)
		VMULPS(slope, x, scaled)
		VMAXPS(x, scaled, x)
		VMOVUPS(x, to)
	})
}

// roundAhead is how many rows ahead round asks the memory for: rows of one head lie
// far apart, where the processor does not see a pattern.
const roundAhead = 8

// round writes words of two neighbours of each of some rows, ldd apart. hi gets the
// rounded numbers and lo, unless it is nil, what rounding took off, rounded. Whole
// vectors of eight words are written, zeroes behind a row's end.
func round(v vectors) {
	TEXT("round"+v.name(), NOSPLIT, "func(hi *float32, lo *float32, ldd int, src *float32, ld int, rows int, n int)")
	Pragma("noescape")
	n := rowLength(v)
	hi, lo, src, ldd, ld, rows := param("hi"), param("lo"), param("src"), param("ldd"), param("ld"), param("rows")
	SHLQ(Imm(2), ldd)
	SHLQ(Imm(2), ld)
	ahead := GP64()
	MOVQ(ld, ahead)
	IMUL3Q(U32(roundAhead), ahead, ahead)
	ADDQ(src, ahead)
	Label("row")
	to, low := copyOf(hi), copyOf(lo)
	store := func(x reg.VecVirtual) {
		y := halves(x)
		VMOVUPS(y, Mem{Base: to})
		ADDQ(Imm(32), to)
		TESTQ(low, low)
		skip := label("rest")
		JZ(LabelRef(skip))
		VSUBPS(widened(y), x, x)
		VMOVUPS(halves(x), Mem{Base: low})
		ADDQ(Imm(32), low)
		Label(skip)
	}
	loop(v, "loop", n, func(offset reg.GPVirtual) {
		x := v.vector()
		PREFETCHT0(at(ahead, offset))
		VMOVUPS(at(src, offset), x)
		store(x)
	}, func(offset reg.GPVirtual) {
		x := v.vector()
		v.loadTail(at(src, offset), x)
		store(x)
	})
	ADDQ(ld, src)
	ADDQ(ld, ahead)
	ADDQ(ldd, hi)
	TESTQ(lo, lo)
	JZ(LabelRef("next"))
	ADDQ(ldd, lo)
	Label("next")
	DECQ(rows)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

var labels int

func label(name string) string {
	labels++
	return name + string(rune('A'+labels-1))
}

// interleave writes words of two rows each, one below the other, for a panel
// of 32 columns: hi[32p+j] holds src[2p·ld+j] in its lower half and
// src[(2p+1)·ld+j] in its upper. lo is as in round.
func interleave(v vectors) {
	TEXT("interleave"+v.name(), NOSPLIT, "func(hi *float32, lo *float32, src *float32, ld int, pairs int)")
	Pragma("noescape")
	hi, lo, src, ld, pairs := param("hi"), param("lo"), param("src"), param("ld"), param("pairs")
	SHLQ(Imm(2), ld)
	pair := func(x, y reg.VecVirtual, to Mem) {
		a, b := ZMM(), ZMM()
		VPMOVZXWD(x, a)
		VPMOVZXWD(y, b)
		VPSLLD(Imm(16), b, b)
		VPORD(a, b, b)
		VMOVUPS(b, to)
	}
	Label("pair")
	var upper, lower, upperHalves, lowerHalves [2]reg.VecVirtual
	for j := range 2 {
		upper[j], lower[j] = ZMM(), ZMM()
		VMOVUPS(Mem{Base: src, Disp: 64 * j}, upper[j])
		VMOVUPS(Mem{Base: src, Index: ld, Scale: 1, Disp: 64 * j}, lower[j])
		upperHalves[j], lowerHalves[j] = halves(upper[j]), halves(lower[j])
		pair(upperHalves[j], lowerHalves[j], Mem{Base: hi, Disp: 64 * j})
	}
	ADDQ(U32(128), hi)
	TESTQ(lo, lo)
	JZ(LabelRef("next"))
	for j := range 2 {
		VSUBPS(widened(upperHalves[j]), upper[j], upper[j])
		VSUBPS(widened(lowerHalves[j]), lower[j], lower[j])
		pair(halves(upper[j]), halves(lower[j]), Mem{Base: lo, Disp: 64 * j})
	}
	ADDQ(U32(128), lo)
	Label("next")
	LEAQ(Mem{Base: src, Index: ld, Scale: 2}, src)
	DECQ(pairs)
	JNZ(LabelRef("pair"))
	VZEROUPPER()
	RET()
}

// Coefficients of 2^f = c0 + c1·f + c2·f² + c3·f³ on [0, 1]: a minimax fit of
// relative error 7.5e-5, found as those in kernel's exp.go.
var shortExp2Coefficients = [...]float32{0.9999251961708069, 0.6958335638046265, 0.22606715559959412, 0.07802452147006989}

// softmaxWords is softmax with rounded results, in words. The sum is that of
// the rounded numbers, so that the weights which are applied add up to one.
func softmaxWords(v vectors) {
	TEXT("softmax"+v.name(), NOSPLIT, "func(dst *float32, row *float32, n int, scale float32) float32")
	Pragma("noescape")
	n := rowLength(v)
	dst, row := param("dst"), param("row")
	most := v.vector()
	VBROADCASTSS(rowMaximum(v, row, n), most)
	scale := broadcastParam(v, "scale")
	var c []reg.VecVirtual
	for i, value := range shortExp2Coefficients {
		c = append(c, broadcastConst(v, "exp"+string(rune('0'+i)), value))
	}
	// Words of two ones, with which words are multiplied to be summed up.
	ones, sums := reg.Y13, []reg.VecPhysical{reg.Z14, reg.Z12}
	bits := GP32()
	MOVL(U32(0x3f803f80), bits)
	VPBROADCASTD(bits, ones)
	for _, sum := range sums {
		v.zero(sum)
	}
	// exp replaces x by 2^((x-most)·scale), with four coefficients: the rounding
	// that follows is fifty times coarser. The power is taken apart into its
	// fraction and what is below it, which VSCALEFPS takes for itself.
	exp := func(x reg.VecVirtual) {
		const down = 9 // to the next lower integer, without a report of inexactness
		fraction, p := v.vector(), v.vector()
		VSUBPS(most, x, x)
		VMULPS(scale, x, x)
		VREDUCEPS(Imm(down), x, fraction)
		VMOVAPS(c[3], p)
		for i := 2; i >= 0; i-- {
			VFMADD213PS(c[i], fraction, p)
		}
		VSCALEFPS(x, p, x)
	}
	store := func(x reg.VecVirtual, sum reg.Register) {
		VMOVAPS(x, reg.Z31)
		roundHalves(reg.Z31, reg.Y15)
		VMOVUPS(reg.Y15, Mem{Base: dst})
		ADDQ(Imm(32), dst)
		multiplyAddHalves(sum, ones, reg.Y15, evex256)
	}
	lower := []reg.Register{reg.Y14, reg.Y12}
	loopBy(v, "exp", len(sums), n, func(offset reg.GPVirtual, i, disp int) {
		x := v.vector()
		VMOVUPS(Mem{Base: row, Index: offset, Scale: 1, Disp: disp}, x)
		exp(x)
		store(x, lower[i])
	}, func(offset reg.GPVirtual) {
		x := v.vector()
		v.loadTail(at(row, offset), x)
		exp(x)
		v.keepTail(x)
		store(x, lower[0])
	})
	total := v.vector()
	VADDPS(sums[0], sums[1], total)
	VMOVSS(reduce(v, total, add, addScalar), address(ReturnIndex(0)))
	VZEROUPPER()
	RET()
}
