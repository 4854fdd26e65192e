package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// peaks writes loops of multiply-adds that depend on nothing: what a core can
// do at most. Each runs n times sixteen (AVX2: twelve) of them.
func peaks() {
	for _, set := range []struct {
		v    vectors
		sums int
	}{{&avx2{}, 12}, {&avx512{}, 16}, {&avx512bf16{}, 16}} {
		v := set.v
		TEXT("peak"+v.name(), NOSPLIT, "func(n int)")
		n := GP64()
		Load(Param("n"), n)
		file := v.registers()
		factor := file.next()
		v.zero(factor)
		sums := make([]reg.Register, set.sums)
		for i := range sums {
			sums[i] = file.next()
			v.zero(sums[i])
		}
		loop := fmt.Sprintf("loop%s", v.name())
		Label(loop)
		for _, s := range sums {
			v.multiplyAdd(factor, factor, s)
		}
		DECQ(n)
		JNZ(LabelRef(loop))
		VZEROUPPER()
		RET()
	}
}
