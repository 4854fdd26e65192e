package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vectors is where the instruction sets differ.
type vectors interface {
	// name ends the functions' names.
	name() string
	// lanes is the number of float32 in a vector.
	lanes() int
	// tileRows is the number of rows of the largest tile: with two vectors
	// of columns, one of factors and two of weights it fills the registers.
	tileRows() int

	vector() reg.VecVirtual
	zero(x reg.Register)

	// registers is where gemm takes its registers from.
	registers() registerFile
	// multiplyAdd adds the product of two vectors of words to the sums.
	multiplyAdd(weights, factor, sum reg.Register)

	// setTail prepares for the last n lanes of a row, n below lanes.
	setTail(n reg.GPVirtual)
	// loadTail loads those lanes and zeroes the others.
	loadTail(from Mem, x reg.VecVirtual)
	storeTail(x reg.VecVirtual, to Mem)
	// keepTail zeroes the other lanes.
	keepTail(x reg.VecVirtual)
	// fillTail sets the other lanes to those of filler.
	fillTail(x, filler reg.VecVirtual)

	// round rounds to the nearest integer.
	round(x, to reg.VecVirtual)
	// scale2 sets to = x·2^whole for whole numbers, which it may change.
	scale2(x, whole, to reg.VecVirtual)
	// fold combines the upper half of a vector with its lower, down to 256
	// bits, which it returns.
	fold(x reg.VecVirtual, op func(...Op)) reg.VecVirtual
}

// bytes is the size of a vector.
func bytes(v vectors) int { return 4 * v.lanes() }

var constants = make(map[string]Mem)

// constant returns the address of a float32.
func constant(name string, value float32) Mem {
	if _, ok := constants[name]; !ok {
		constants[name] = ConstData(name, U32(math.Float32bits(value)))
	}
	return constants[name]
}

// broadcastConst returns a vector full of a constant.
func broadcastConst(v vectors, name string, value float32) reg.VecVirtual {
	x := v.vector()
	VBROADCASTSS(constant(name+v.name(), value), x)
	return x
}

func broadcastParam(v vectors, name string) reg.VecVirtual {
	x := v.vector()
	VBROADCASTSS(address(Param(name)), x)
	return x
}

// address returns where on the stack a parameter or result is.
func address(c gotypes.Component) Mem {
	basic, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return basic.Addr
}

// reduce combines all lanes into one, of the register that it returns. op is
// the operation on vectors, scalar the same on the lowest lane.
func reduce(v vectors, x reg.VecVirtual, op, scalar func(...Op)) reg.Register {
	y := v.fold(x, op)
	low, high := y.AsX(), XMM()
	VEXTRACTF128(Imm(1), y.AsY(), high)
	op(high, low, low)
	VMOVHLPS(low, low, high)
	op(high, low, low)
	VMOVSHDUP(low, high)
	scalar(high, low, low)
	return low
}

// registerFile hands out vector registers: new virtual ones, or the physical
// ones in their order, for instructions that are written as bytes. A copy
// hands out the same ones again.
type registerFile struct {
	virtual  func() reg.VecVirtual
	physical []reg.VecPhysical
}

func (f *registerFile) next() reg.Register {
	if f.virtual != nil {
		return f.virtual()
	}
	r := f.physical[0]
	f.physical = f.physical[1:]
	return r
}

type avx512 struct{ mask reg.OpmaskVirtual }

func (*avx512) name() string           { return "AVX512" }
func (*avx512) lanes() int             { return 16 }
func (*avx512) tileRows() int          { return 14 }
func (*avx512) vector() reg.VecVirtual { return ZMM() }
func (*avx512) zero(x reg.Register)    { VPXORD(x, x, x) }

func (*avx512) registers() registerFile {
	return registerFile{virtual: func() reg.VecVirtual { return ZMM() }}
}

func (*avx512) multiplyAdd(weights, factor, sum reg.Register) { VFMADD231PS(weights, factor, sum) }

func (a *avx512) setTail(n reg.GPVirtual) {
	ones := GP32()
	MOVL(U32(1), ones)
	// A shift by a variable takes its count from CX alone, or BMI2.
	SHLXL(n.As32(), ones, ones)
	DECL(ones)
	a.mask = K()
	KMOVW(ones, a.mask)
}

func (a *avx512) loadTail(from Mem, x reg.VecVirtual) { VMOVUPS_Z(from, a.mask, x) }
func (a *avx512) storeTail(x reg.VecVirtual, to Mem)  { VMOVUPS(x, a.mask, to) }
func (a *avx512) keepTail(x reg.VecVirtual)           { VMOVAPS_Z(x, a.mask, x) }

func (a *avx512) fillTail(x, filler reg.VecVirtual) {
	t := ZMM()
	VMOVAPS(filler, t)
	VMOVAPS(x, a.mask, t)
	VMOVAPS(t, x)
}

func (*avx512) round(x, to reg.VecVirtual) { VRNDSCALEPS(Imm(8), x, to) }

func (*avx512) scale2(x, whole, to reg.VecVirtual) { VSCALEFPS(whole, x, to) }

func (*avx512) fold(x reg.VecVirtual, op func(...Op)) reg.VecVirtual {
	high := YMM()
	VEXTRACTF64X4(Imm(1), x, high)
	op(high, x.AsY(), high)
	return high
}

type avx2 struct {
	mask  reg.VecVirtual
	masks Mem
	ready bool
}

func (*avx2) name() string           { return "AVX2" }
func (*avx2) lanes() int             { return 8 }
func (*avx2) tileRows() int          { return 6 }
func (*avx2) vector() reg.VecVirtual { return YMM() }
func (*avx2) zero(x reg.Register)    { VXORPS(x, x, x) }

func (*avx2) registers() registerFile {
	return registerFile{virtual: func() reg.VecVirtual { return YMM() }}
}

func (*avx2) multiplyAdd(weights, factor, sum reg.Register) { VFMADD231PS(weights, factor, sum) }

// setTail takes the mask from a table of eight ones and eight zeroes: n ones
// begin n before their end.
func (a *avx2) setTail(n reg.GPVirtual) {
	if !a.ready {
		a.masks = GLOBL("tailMasksAVX2", 8|16) // RODATA|NOPTR
		for i := range 16 {
			mask := uint32(0)
			if i < 8 {
				mask = 0xffffffff
			}
			DATA(4*i, U32(mask))
		}
		a.ready = true
	}
	table, skip := GP64(), GP64()
	LEAQ(a.masks, table)
	MOVQ(U32(8), skip)
	SUBQ(n, skip)
	a.mask = YMM()
	VMOVUPS(Mem{Base: table, Index: skip, Scale: 4}, a.mask)
}

func (a *avx2) loadTail(from Mem, x reg.VecVirtual) { VMASKMOVPS(from, a.mask, x) }
func (a *avx2) storeTail(x reg.VecVirtual, to Mem)  { VMASKMOVPS(x, a.mask, to) }
func (a *avx2) keepTail(x reg.VecVirtual)           { VANDPS(x, a.mask, x) }
func (a *avx2) fillTail(x, filler reg.VecVirtual)   { VBLENDVPS(a.mask, x, filler, x) }

func (*avx2) round(x, to reg.VecVirtual) { VROUNDPS(Imm(0), x, to) }

// scale2 puts 2^whole into the exponent.
func (*avx2) scale2(x, whole, to reg.VecVirtual) {
	VCVTPS2DQ(whole, whole)
	VPSLLD(Imm(23), whole, whole)
	VPADDD(whole, x, to)
}

func (*avx2) fold(x reg.VecVirtual, _ func(...Op)) reg.VecVirtual { return x }
