package kernel

import "math"

const (
	log2e = 1.44269504088896340736
	// The smallest exponent that exp2 keeps: below it results would be
	// subnormal.
	minExp2 = -126
)

// Coefficients of 2^f = 1 + c1·f + … + c6·f⁶ on [-1/2, 1/2]: a minimax fit of
// relative error 2e-9 (Remez by iteratively reweighted least squares), rounded
// to float32.
const (
	exp2c1 = 0.6931471824645996
	exp2c2 = 0.24022647738456726
	exp2c3 = 0.055503323674201965
	exp2c4 = 0.009618437848985195
	exp2c5 = 0.001339887734502554
	exp2c6 = 0.00015353267372120172
)

// exp2 returns 2^x for x ≤ 0; below minExp2 it returns 2^minExp2.
func exp2(x float32) float32 {
	if x < minExp2 {
		x = minExp2
	}
	n := int32(x - 0.5)
	f := x - float32(n)
	// The conversions forbid fused multiply-add: the same bits everywhere.
	p := float32(exp2c6*f) + exp2c5
	p = float32(p*f) + exp2c4
	p = float32(p*f) + exp2c3
	p = float32(p*f) + exp2c2
	p = float32(p*f) + exp2c1
	p = float32(p*f) + 1
	return p * math.Float32frombits(uint32(n+127)<<23)
}

// Exp returns e^x with a relative error below 1e-7·(2+|x|); the range is
// clamped to 2^±126.
func Exp(x float32) float32 {
	switch {
	case x != x:
		return x
	case x > 0:
		return 1 / exp2(float32(-x*log2e))
	}
	return exp2(float32(x * log2e))
}
