package tokens

import "math"

// DefaultTargetSum is the sum that NormalizeTotal scales cells to in scGPT's
// Preprocessor.
const DefaultTargetSum = 1e4

// NormalizeTotal scales a cell's values in place so that they sum to target, as
// scanpy.pp.normalize_total does: each is divided, in float32, by the sum over
// target. A cell whose sum is 0 stays as it is.
//
// Bins depend on the order of a cell's values, so neither this nor [Log1p]
// changes its tokens, but for rounding: values that become equal, or an edge that
// computes to a hair beside the value that it lies on.
func NormalizeTotal(values []float32, target float64) {
	sum := 0.0
	for _, v := range values {
		sum += float64(v)
	}
	if sum == 0 {
		return
	}
	scale := float32(sum / target)
	for i, v := range values {
		values[i] = v / scale
	}
}

// Log1p replaces each value x in place with log(1+x), rounded to float32.
func Log1p(values []float32) {
	for i, v := range values {
		values[i] = float32(math.Log1p(float64(v)))
	}
}
