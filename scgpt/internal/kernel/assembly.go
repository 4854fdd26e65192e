//go:build (amd64 || arm64) && !noasm

package kernel

import "math"

// tileFunc computes tiles of as many rows as its name says, one below the other,
// at least one. flags are Flags or biased.
type tileFunc func(tiles int, k int, a *float32, lda int, b *float32, c *float32, ldc int, bias *float32, flags int)

// biased tells the assembly to begin with the bias.
const biased = 8

// gemm puts the bounds checks that assembly lacks before the tile functions,
// and cuts the rows into tiles; tiles[i] computes i+1 rows.
func gemm(nr int, tiles []tileFunc) func(m, k int, a []float32, lda int, b []float32, c []float32, ldc int, bias []float32, flags Flags) {
	return func(m, k int, a []float32, lda int, b []float32, c []float32, ldc int, bias []float32, flags Flags) {
		_, _, _ = a[(m-1)*lda+k-1], b[k*nr-1], c[(m-1)*ldc+nr-1]
		var start *float32
		if bias != nil && flags&Accumulate == 0 {
			_ = bias[nr-1]
			start = &bias[0]
			flags |= biased
		}
		whole := m / len(tiles)
		if whole > 0 {
			tiles[len(tiles)-1](whole, k, &a[0], lda, &b[0], &c[0], ldc, start, int(flags))
		}
		if i := whole * len(tiles); i < m {
			tiles[m-i-1](1, k, &a[i*lda], lda, &b[0], &c[i*ldc], ldc, start, int(flags))
		}
	}
}

func addNorm(f func(dst *float32, a *float32, b *float32, gamma *float32, beta *float32, n int, eps float32)) func(dst, a, b, gamma, beta []float32, eps float32) {
	return func(dst, a, b, gamma, beta []float32, eps float32) {
		n := len(dst)
		if n == 0 {
			return
		}
		a, gamma, beta = a[:n], gamma[:n], beta[:n]
		var second *float32
		if b != nil {
			second = &b[:n][0]
		}
		f(&dst[0], &a[0], second, &gamma[0], &beta[0], n, eps)
	}
}

func largest(f func(row *float32, n int) float32) func(row []float32) float32 {
	return func(row []float32) float32 {
		if len(row) == 0 {
			return float32(math.Inf(-1))
		}
		return f(&row[0], len(row))
	}
}

func sum(f func(dst *float32, a *float32, b *float32, n int)) func(dst, a, b []float32) {
	return func(dst, a, b []float32) {
		if n := len(dst); n > 0 {
			f(&dst[0], &a[:n][0], &b[:n][0], n)
		}
	}
}
