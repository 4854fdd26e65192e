//go:build amd64 && !noasm

package kernel

import "unsafe"

// amx multiplies on the tiles of AMX. Where a processor has none, a test runs its
// machine code in an emulator.
//
// Tiles are in use only within one call of assembly, which Go does not preempt;
// a signal that comes meanwhile has them saved and restored by the kernel, as it
// does when it takes the thread off the processor. They are released before
// the call returns.
var amx = &Set{
	Name:      "amx",
	Precision: "bf16",
	MR:        2 * tileRows,
	NR:        32,
	Gemm:      gemmOnTiles(gemm1AMX, gemm2AMX),
	Max:       avx512.Max,
	Softmax:   avx512.Softmax,
	Scale:     avx512.Scale,
	Add:       avx512.Add,
	AddNorm:   avx512.AddNorm,
	halves:    &halves{parts: 1, step: tileWords, round: round, interleave: interleave, softmax: softmaxWords},

	prefetch:   avx512.prefetch,
	transpose8: transpose,
}

// A tile has up to sixteen rows of sixteen words.
const tileRows, tileWords = 16, 16

// tileConfig is what LDTILECFG reads: palette 1, then the bytes of a row and
// the rows of each of the eight tiles.
type tileConfig struct {
	palette, start byte
	_              [14]byte
	rowBytes       [16]uint16
	rows           [16]byte
}

// tileConfigs holds the configuration for each number of rows of a block: two
// tiles of sums for its upper rows and two for its lower, its own upper and
// lower rows, and two of the panel.
var tileConfigs = func() (configs [2*tileRows + 1]tileConfig) {
	for m := range configs {
		upper := byte(min(m, tileRows))
		lower := byte(m) - upper
		c := &configs[m]
		c.palette = 1
		for t, rows := range [8]byte{upper, upper, lower, lower, upper, lower, tileRows, tileRows} {
			if rows > 0 {
				c.rows[t], c.rowBytes[t] = rows, 4*tileWords
			}
		}
	}
	return configs
}()

type tilesFunc func(config unsafe.Pointer, a *float32, lda int, b *float32, steps int, c *float32, ldc int, blocks int, accumulate int)

// gemmOnTiles puts bounds checks, bias and activation around the products. one
// computes up to sixteen rows, two up to twice as many.
func gemmOnTiles(one, two tilesFunc) func(m, k int, a []float32, lda int, b []float32, c []float32, ldc int, bias []float32, flags Flags) {
	const rows, nr = 2 * tileRows, 32
	return func(m, k int, a []float32, lda int, b []float32, c []float32, ldc int, bias []float32, flags Flags) {
		_, _, _ = a[(m-1)*lda+k-1], b[k*nr-1], c[(m-1)*ldc+nr-1]
		if k%tileWords != 0 {
			panic("kernel: words do not fill the rows of a tile")
		}
		accumulate := int(flags & Accumulate)
		if bias != nil && accumulate == 0 {
			_ = bias[nr-1]
			fillAVX512BF16(&c[0], ldc, m, &bias[0])
			accumulate = 1
		}
		tiles := func(f tilesFunc, from, m, blocks int) {
			f(unsafe.Pointer(&tileConfigs[m]), &a[from*lda], 4*lda, &b[0], k/tileWords, &c[from*ldc], 4*ldc, blocks, accumulate)
		}
		whole := m / rows
		if whole > 0 {
			tiles(two, 0, rows, whole)
		}
		switch rest := m % rows; {
		case rest > tileRows:
			tiles(two, m-rest, rest, 1)
		case rest > 0:
			tiles(one, m-rest, rest, 1)
		}
		switch {
		case flags&ReLU != 0:
			activateAVX512BF16(&c[0], ldc, m, 0)
		case flags&LeakyReLU != 0:
			activateAVX512BF16(&c[0], ldc, m, 0.01)
		}
	}
}
