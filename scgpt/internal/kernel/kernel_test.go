package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// around is how many guard words stand on each side of a slice.
const around = 40

var guard = math.Float32frombits(0x7fc0_dead)

// guarded is a slice in the middle of guard words.
type guarded struct{ all, data []float32 }

// newGuarded returns n numbers at an address that is no multiple of a vector,
// which loads and stores must bear.
func newGuarded(rng *rand.Rand, n int) guarded {
	all := make([]float32, n+2*around+1)
	for i := range all {
		all[i] = guard
	}
	g := guarded{all, all[around+1 : around+1+n]}
	for i := range g.data {
		g.data[i] = float32(rng.NormFloat64())
	}
	return g
}

func (g guarded) check(t *testing.T, what string) {
	t.Helper()
	for i := range around {
		require.Equal(t, math.Float32bits(guard), math.Float32bits(g.all[i]), "%s: written before its begin", what)
		require.Equal(t, math.Float32bits(guard), math.Float32bits(g.all[len(g.all)-1-i]), "%s: written behind its end", what)
	}
}

func (g guarded) clone() guarded {
	all := append([]float32(nil), g.all...)
	return guarded{all, all[around+1 : len(all)-around]}
}

func forEachSet(t *testing.T, test func(t *testing.T, s *Set)) {
	t.Helper()
	for _, s := range slices.Concat(Sets(), Unlisted(), emulated()) {
		t.Run(s.Name+"/"+s.Precision, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

func TestSets(t *testing.T) {
	t.Parallel()
	require.Contains(t, Sets(), Generic)
	require.Equal(t, "fp32", Sets()[0].Precision, "what is chosen by default")
	for _, s := range slices.Concat(Sets(), Unlisted()) {
		require.LessOrEqual(t, s.MR, MaxMR, s.Name)
		require.LessOrEqual(t, s.NR, maxNR, s.Name)
		require.Equal(t, s.InPlace(), s.Precision == "fp32", s.Name)
	}
}

// factor is a number as a set multiplies it.
func factor(s *Set, x float32) float64 {
	if s.Precision == "bf16" {
		return float64(bfloat16(x))
	}
	return float64(x)
}

// rowsFor returns m rows of k numbers as Gemm's first operand.
func rowsFor(s *Set, src guarded, m, k, gap int) (a guarded, lda int) {
	if s.InPlace() {
		return src, k + gap
	}
	a = newGuarded(rand.New(rand.NewPCG(0, 0)), m*s.Words(k))
	s.Factors(a.data, s.Words(k), src.data, k+gap, m, k)
	return a, s.Words(k)
}

// panelFor returns NR rows of k numbers as Gemm's second operand.
func panelFor(s *Set, src []float32, k int) guarded {
	b := newGuarded(rand.New(rand.NewPCG(0, 0)), s.PackedLen(s.NR, k))
	s.PackRows(b.data, src, k, s.NR, k, make([]float32, s.PackScratch(k)))
	return b
}

func TestGemm(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(1, 2))
		tolerance := 1e-4
		if s.Precision == "bf16x3" {
			tolerance = 5e-4 // what the low parts' own product would be
		}
		var rowCounts []int
		for m := 1; m <= s.MR; m++ {
			if m > 2 && m%16 > 1 && m%16 < 15 && strings.HasSuffix(s.Name, "emulated") {
				continue // slow, and like those beside them
			}
			rowCounts = append(rowCounts, m)
		}
		rowCounts = append(rowCounts, s.MR+1, 2*s.MR, 3*s.MR-1)
		for _, m := range rowCounts {
			for _, k := range []int{1, 2, 3, 4, 5, 7, 8, 64, 131} {
				for _, flags := range []Flags{0, Accumulate, ReLU, LeakyReLU, Accumulate | ReLU, Accumulate | LeakyReLU} {
					for _, withBias := range []bool{false, true} {
						gap, ldc := rng.IntN(3), s.NR+rng.IntN(5)
						rows, cols := newGuarded(rng, (m-1)*(k+gap)+k), newGuarded(rng, s.NR*k)
						a, lda := rowsFor(s, rows, m, k, gap)
						b := panelFor(s, cols.data, k)
						c, bias := newGuarded(rng, (m-1)*ldc+s.NR), newGuarded(rng, s.NR)
						var start []float32
						if withBias {
							start = bias.data
						}
						before := c.clone()
						s.Gemm(m, s.Words(k), a.data, lda, b.data, c.data, ldc, start, flags)
						what := fmt.Sprintf("m=%d k=%d flags=%d bias=%v", m, k, flags, withBias)
						for i, g := range []guarded{a, b, c, bias} {
							g.check(t, fmt.Sprintf("%s: slice %d", what, i))
						}
						for i := range m {
							for j := range ldc {
								if j >= s.NR {
									if i < m-1 {
										require.Equal(t, before.data[i*ldc+j], c.data[i*ldc+j], "%s: beside the tile", what)
									}
									continue
								}
								want := 0.0
								switch {
								case flags&Accumulate != 0:
									want = float64(before.data[i*ldc+j])
								case withBias:
									want = float64(bias.data[j])
								}
								for p := range k {
									want += factor(s, rows.data[i*(k+gap)+p]) * factor(s, cols.data[j*k+p])
								}
								if flags&ReLU != 0 {
									want = max(want, 0)
								}
								if flags&LeakyReLU != 0 {
									want = max(want, 0.01*want)
								}
								require.InDelta(t, want, c.data[i*ldc+j], tolerance, "%s: row %d column %d", what, i, j)
							}
						}
					}
				}
			}
		}
	})
}

// A row's sums are the same bytes in a tile of any height and in any cut of k.
func TestGemmSameBytes(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(3, 4))
		const elements = 133
		k := s.Words(elements)
		rows, cols := newGuarded(rng, s.MR*elements), newGuarded(rng, s.NR*elements)
		a, lda := rowsFor(s, rows, s.MR, elements, 0)
		b := panelFor(s, cols.data, elements)
		want := make([]float32, s.MR*s.NR)
		s.Gemm(s.MR, k, a.data, lda, b.data, want, s.NR, nil, 0)
		for m := 1; m <= s.MR; m++ {
			for first := 0; first+m <= s.MR; first++ {
				got := make([]float32, m*s.NR)
				cut := 1 + rng.IntN(k-1)
				if s.halves != nil {
					cut = max(1, cut/s.halves.step) * s.halves.step
				}
				s.Gemm(m, cut, a.data[first*lda:], lda, b.data, got, s.NR, nil, 0)
				s.Gemm(m, k-cut, a.data[first*lda+cut:], lda, b.data[cut*s.NR:], got, s.NR, nil, Accumulate)
				require.Equal(t, want[first*s.NR:(first+m)*s.NR], got, "%d rows from %d, cut at %d", m, first, cut)
			}
		}
	})
}

// More rows than a tile has are cut into tiles.
func TestGemmManyRows(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(13, 14))
		k, m := s.Words(20), 2*s.MR+3
		rows, cols := newGuarded(rng, m*20), newGuarded(rng, s.NR*20)
		a, lda := rowsFor(s, rows, m, 20, 0)
		b := panelFor(s, cols.data, 20)
		got := newGuarded(rng, m*s.NR)
		s.Gemm(m, k, a.data, lda, b.data, got.data, s.NR, nil, 0)
		got.check(t, "c")
		for i := range m {
			want := make([]float32, s.NR)
			s.Gemm(1, k, a.data[i*lda:], lda, b.data, want, s.NR, nil, 0)
			require.Equal(t, want, got.data[i*s.NR:(i+1)*s.NR], "row %d", i)
		}
	})
}

func TestGemmKeepsNaN(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		for _, flags := range []Flags{0, ReLU, LeakyReLU} {
			k := s.Words(1)
			a, b, c := make([]float32, k), make([]float32, k*s.NR), make([]float32, s.NR)
			a[0] = float32(math.NaN())
			s.Gemm(1, k, a, k, b, c, s.NR, nil, flags)
			for _, v := range c {
				require.True(t, math.IsNaN(float64(v)), "flags %d", flags)
			}
		}
	})
}

func TestGemmRefusesShortSlices(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		m, k := 3, s.Words(5)
		a, b, c, bias := make([]float32, m*k), make([]float32, k*s.NR), make([]float32, m*s.NR), make([]float32, s.NR)
		s.Gemm(m, k, a, k, b, c, s.NR, bias, 0)
		require.Panics(t, func() { s.Gemm(m, k, a[:m*k-1:m*k-1], k, b, c, s.NR, bias, 0) })
		require.Panics(t, func() { s.Gemm(m, k, a, k, b[:k*s.NR-1:k*s.NR-1], c, s.NR, bias, 0) })
		require.Panics(t, func() { s.Gemm(m, k, a, k, b, c[:m*s.NR-1:m*s.NR-1], s.NR, bias, 0) })
		require.Panics(t, func() { s.Gemm(m, k, a, k, b, c, s.NR, bias[:s.NR-1:s.NR-1], 0) })
	})
}

var lengths = []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 512, 513, 1201}

func TestSoftmax(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		require.Zero(t, s.Softmax(nil, 1))
		rng := rand.New(rand.NewPCG(5, 6))
		for _, n := range lengths {
			for _, scale := range []float32{0, 1e-10, 0.125, 1, 20, 1e6} {
				row := newGuarded(rng, n)
				row.data[rng.IntN(n)] = 4
				before := row.clone()
				sum := s.Softmax(row.data, scale)
				row.check(t, "row")
				top := float32(math.Inf(-1))
				for _, v := range before.data {
					top = max(top, v)
				}
				total := 0.0
				for i, v := range before.data {
					// exp's argument is rounded to float32 twice on its
					// way; the error of its size is not exp's.
					x := float64(float32(v-top)) * float64(scale)
					want := math.Exp(x)
					total += want
					require.InDelta(t, want, row.data[i], want*(3e-7+2e-7*math.Abs(x))+2e-38, "n=%d scale=%g: %d", n, scale, i)
				}
				require.InEpsilon(t, total, sum, 1e-5, "n=%d scale=%g", n, scale)
			}
		}
	})
}

func TestMax(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		require.True(t, math.IsInf(float64(s.Max(nil)), -1))
		rng := rand.New(rand.NewPCG(19, 20))
		for _, n := range lengths {
			row := newGuarded(rng, n)
			for i := range row.data {
				row.data[i] -= 10
			}
			row.data[rng.IntN(n)] = -0.5
			require.EqualValues(t, -0.5, s.Max(row.data), "n=%d", n)
		}
	})
}

func TestScale(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		s.Scale(nil, nil, 1)
		rng := rand.New(rand.NewPCG(7, 8))
		for _, n := range lengths {
			dst, src := newGuarded(rng, n), newGuarded(rng, n)
			s.Scale(dst.data, src.data, 0.3)
			dst.check(t, "dst")
			for i, v := range src.data {
				require.Equal(t, 0.3*v, dst.data[i], "n=%d: %d", n, i)
			}
		}
	})
}

func TestAdd(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		s.Add(nil, nil, nil)
		rng := rand.New(rand.NewPCG(21, 22))
		for _, n := range lengths {
			dst, a, b := newGuarded(rng, n), newGuarded(rng, n), newGuarded(rng, n)
			s.Add(dst.data, a.data, b.data)
			dst.check(t, "dst")
			for i := range dst.data {
				require.Equal(t, a.data[i]+b.data[i], dst.data[i], "n=%d: %d", n, i)
			}
		}
	})
}

func TestAddNorm(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(9, 10))
		for _, n := range lengths {
			for _, mode := range []string{"a", "a+b", "in a", "in b"} {
				const eps = 1e-2
				a, b, gamma, beta := newGuarded(rng, n), newGuarded(rng, n), newGuarded(rng, n), newGuarded(rng, n)
				x := make([]float64, n)
				mean, variance := 0.0, 0.0
				for i := range x {
					x[i] = float64(a.data[i])
					if mode != "a" {
						x[i] += float64(b.data[i])
					}
					mean += x[i] / float64(n)
				}
				for _, v := range x {
					variance += (v - mean) * (v - mean) / float64(n)
				}
				dst := newGuarded(rng, n)
				second := b.data
				switch mode {
				case "a":
					second = nil
				case "in a":
					dst = a
				case "in b":
					dst = b
				}
				s.AddNorm(dst.data, a.data, second, gamma.data, beta.data, eps)
				for i, g := range []guarded{dst, a, b, gamma, beta} {
					g.check(t, fmt.Sprintf("slice %d", i))
				}
				for i, v := range x {
					want := (v-mean)/math.Sqrt(variance+eps)*float64(gamma.data[i]) + float64(beta.data[i])
					require.InDelta(t, want, dst.data[i], 1e-5, "n=%d %s: %d", n, mode, i)
				}
			}
		}
		s.AddNorm(nil, nil, nil, nil, nil, 1)
	})
}

func TestPack(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(11, 12))
		for _, c := range []struct{ n, k int }{
			{1, 1}, {3, 5}, {4, 5}, {5, 2}, {7, 8}, {8, 7}, {8, 8}, {9, 9}, {33, 7}, {64, 16}, {40, 3}, {47, 29}, {64, 33}, {96, 65},
		} {
			rows, cols := newGuarded(rng, c.n*(c.k+2)), newGuarded(rng, c.k*(c.n+2))
			size := s.PackedLen(c.n, c.k)
			packedRows, packedCols := newGuarded(rng, size), newGuarded(rng, size)
			s.PackRows(packedRows.data, rows.data, c.k+2, c.n, c.k, make([]float32, s.PackScratch(c.k)))
			s.PackCols(packedCols.data, cols.data, c.n+2, c.n, c.k)
			packedRows.check(t, "rows")
			packedCols.check(t, "columns")
			for i := range size {
				panel, p, j := i/(s.NR*s.Words(c.k)), i/s.NR%s.Words(c.k), i%s.NR
				n := panel*s.NR + j
				at := func(src []float32, step, next int) func(q int) float32 {
					return func(q int) float32 {
						if n >= c.n || q >= c.k {
							return 0
						}
						return src[n*step+q*next]
					}
				}
				fromRows, fromCols := at(rows.data, c.k+2, 1), at(cols.data, 1, c.n+2)
				require.Equal(t, word(s, c.k, p, "hhl", fromRows), math.Float32bits(packedRows.data[i]), "%+v: %d", c, i)
				require.Equal(t, word(s, c.k, p, "hhl", fromCols), math.Float32bits(packedCols.data[i]), "%+v: %d", c, i)
			}
		}
	})
}

// A matrix that is packed part by part is the same as one packed at once.
func TestPackColsPart(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(31, 32))
		for _, k := range []int{1, 2, 7, 64, 131} {
			for _, n := range []int{1, s.NR, 2*s.NR + 3} {
				src := newGuarded(rng, k*n)
				want, got := newGuarded(rng, s.PackedLen(n, k)), newGuarded(rng, s.PackedLen(n, k))
				s.PackCols(want.data, src.data, n, n, k)
				for from := 0; from < k; {
					rows := min(2*(1+rng.IntN(20)), k-from)
					s.PackColsPart(got.data, src.data[from*n:], n, n, k, from, rows)
					from += rows
				}
				got.check(t, "panels")
				for i := range want.data {
					require.Equal(t, math.Float32bits(want.data[i]), math.Float32bits(got.data[i]), "k=%d n=%d: %d", k, n, i)
				}
			}
		}
	})
}

func TestFactors(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(15, 16))
		for _, k := range []int{1, 2, 15, 16, 17, 33, 64, 131} {
			const m = 3
			n := s.Words(k)
			ldd := Stride(n)
			src, dst := newGuarded(rng, (m-1)*(k+1)+k), newGuarded(rng, (m-1)*ldd+n)
			before := dst.clone()
			s.Factors(dst.data, ldd, src.data, k+1, m, k)
			dst.check(t, "words")
			for i, w := range dst.data {
				row, p := i/ldd, i%ldd
				if p >= n {
					require.Equal(t, before.data[i], w, "k=%d: between the rows", k)
					continue
				}
				want := word(s, k, p, "hlh", func(q int) float32 {
					if q >= k {
						return 0
					}
					return src.data[row*(k+1)+q]
				})
				require.Equal(t, want, math.Float32bits(w), "k=%d: %d", k, i)
			}
		}
	})
}

func TestStride(t *testing.T) {
	t.Parallel()
	for words, want := range map[int]int{0: 16, 1: 16, 16: 16, 17: 48, 32: 48, 64: 80, 512: 528, 513: 528, 1216: 1232} {
		require.Equal(t, want, Stride(words), "%d words", words)
	}
}

// word returns the bits that word p of k factors must have; parts tells which
// of the three parts are high (h) or low (l).
func word(s *Set, k, p int, parts string, at func(q int) float32) uint32 {
	if s.InPlace() {
		return math.Float32bits(at(p))
	}
	part := parts[p/s.part(k)]
	p %= s.part(k)
	bits := func(x float32) uint32 {
		h := bfloat16(x)
		if part == 'l' {
			h = bfloat16(x - h)
		}
		return math.Float32bits(h) >> 16
	}
	return bits(at(2*p)) | bits(at(2*p+1))<<16
}

// bfloat16 rounds to the nearest bfloat16, ties to even.
func bfloat16(x float32) float32 {
	bits := math.Float32bits(x)
	return math.Float32frombits((bits + 0x7fff + bits>>16&1) &^ 0xffff)
}

func TestSoftmaxRow(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(17, 18))
		require.Zero(t, s.SoftmaxRow(nil, nil, 1))
		for _, n := range lengths {
			row := newGuarded(rng, n)
			before := row.clone()
			dst := newGuarded(rng, s.Words(n))
			sum := s.SoftmaxRow(dst.data, row.data, 0.7)
			row.check(t, "row")
			dst.check(t, "words")
			want := s.Softmax(before.data, 0.7)
			if s.InPlace() {
				require.Equal(t, want, sum)
				require.Equal(t, before.data, row.data)
				continue
			}
			require.InEpsilon(t, want, sum, 0x1p-8)
			if s.Precision == "bf16" {
				for i, v := range before.data {
					bits := math.Float32bits(dst.data[i/2]) >> (16 * (i % 2)) << 16
					require.InEpsilon(t, v, math.Float32frombits(bits), 0x1p-8+2e-4, "n=%d: %d", n, i)
				}
				for q := n; q < 2*s.Words(n); q++ {
					require.Zero(t, math.Float32bits(dst.data[q/2])>>(16*(q%2))<<16, "n=%d: %d behind the row", n, q)
				}
				continue
			}
			for i, w := range dst.data {
				expected := word(s, n, i, "hlh", func(q int) float32 {
					if q >= n {
						return 0
					}
					return before.data[q]
				})
				require.Equal(t, expected, math.Float32bits(w), "n=%d: %d", n, i)
			}
		}
	})
}

func TestExp(t *testing.T) {
	t.Parallel()
	worst := 0.0
	for x := float32(-87); x <= 87; x += 0.00371 {
		want := math.Exp(float64(x))
		worst = max(worst, math.Abs(float64(Exp(x))-want)/want/(2+math.Abs(float64(x))))
	}
	require.Less(t, worst, 1e-7)
	require.True(t, math.IsNaN(float64(Exp(float32(math.NaN())))))
	for _, x := range []float32{88, 1000, float32(math.Inf(1))} {
		require.EqualValues(t, Exp(x), math.Exp2(126))
	}
	for _, x := range []float32{-88, -1000, float32(math.Inf(-1))} {
		require.LessOrEqual(t, Exp(x), float32(1.2e-38))
		require.GreaterOrEqual(t, Exp(x), float32(0))
	}
	require.EqualValues(t, 1, Exp(0))
}
