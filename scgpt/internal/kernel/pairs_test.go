package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkGemmPairs(b *testing.B) {
	const n, k = 512, 512
	for _, s := range Sets() {
		if !s.Pairs(n, k) || s == Generic {
			continue
		}
		for _, pairs := range []int{s.MR, 2 * s.MR, 3 * s.MR, 4 * s.MR} {
			rng := rand.New(rand.NewPCG(1, 2))
			x, w := newGuarded(rng, 2*pairs*k).data, newGuarded(rng, n*k).data
			panels, sums := make([]float32, s.PackedLen(n, k)), make([]float32, s.PairSumsLen(n, k))
			s.PackRows(panels, w, k, n, k, nil)
			s.PackPairSums(sums, panels, n, k)
			a, ldc := make([]float32, PairFactorsLen(pairs, k)), Stride(n)
			c, scratch := make([]float32, 2*pairs*ldc), make([]float32, s.PairScratch(pairs))
			wide := 2 * s.NR
			b.Run(fmt.Sprintf("%s/%d", s.Name, pairs), func(b *testing.B) {
				for b.Loop() {
					for i := range pairs {
						s.PairFactors(a, i, pairs, x[2*i*k:(2*i+1)*k], x[(2*i+1)*k:(2*i+2)*k])
					}
					for j := 0; j < n; j += wide {
						s.GemmPairs(pairs, k, a, panels[j*k:(j+wide)*k], sums[j*k:(j+wide)*k], c[j:], ldc, nil, nil, scratch, 0)
					}
				}
				b.ReportMetric(2*2*float64(pairs)*n*k*float64(b.N)/b.Elapsed().Seconds()/1e9, "GF/s")
			})
			lda := Stride(k)
			rows := make([]float32, 2*pairs*lda)
			for i := range 2 * pairs {
				copy(rows[i*lda:], x[i*k:(i+1)*k])
			}
			b.Run(fmt.Sprintf("%s/%d/plain", s.Name, pairs), func(b *testing.B) {
				for b.Loop() {
					for j := 0; j < n; j += s.NR {
						s.Gemm(2*pairs, k, rows, lda, panels[j*k:(j+s.NR)*k], c[j:], ldc, nil, 0)
					}
				}
				b.ReportMetric(2*2*float64(pairs)*n*k*float64(b.N)/b.Elapsed().Seconds()/1e9, "GF/s")
			})
		}
	}
}

func TestGemmPairs(t *testing.T) {
	t.Parallel()
	forEachSet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(7, 8))
		n := 2 * s.NR
		require.Equal(t, s.InPlace() && s.Name != "neon", s.Pairs(n, minPairDepth))
		if !s.Pairs(n, minPairDepth) {
			return
		}
		require.False(t, s.Pairs(s.NR, 256), "a single panel")
		require.False(t, s.Pairs(n, 144), "halves that are no whole vectors")
		require.False(t, s.Pairs(n, 64), "too little to gain")
		for _, k := range []int{128, 160, 512} {
			for _, pairs := range []int{1, 2, s.MR - 1, s.MR, s.MR + 1, 3*s.MR + 2} {
				for _, flags := range []Flags{0, ReLU, LeakyReLU} {
					for _, withBias := range []bool{false, true} {
						what := fmt.Sprintf("k=%d pairs=%d flags=%d bias=%v", k, pairs, flags, withBias)
						x, w, start := newGuarded(rng, 2*pairs*k), newGuarded(rng, n*k), newGuarded(rng, n)
						panels, sums := newGuarded(rng, s.PackedLen(n, k)), newGuarded(rng, s.PairSumsLen(n, k))
						s.PackRows(panels.data, w.data, k, n, k, nil)
						s.PackPairSums(sums.data, panels.data, n, k)
						a := newGuarded(rng, PairFactorsLen(pairs, k))
						for i := range pairs {
							s.PairFactors(a.data, i, pairs, x.data[2*i*k:(2*i+1)*k], x.data[(2*i+1)*k:(2*i+2)*k])
						}
						ldc := n + 3
						c, scratch := newGuarded(rng, (2*pairs-1)*ldc+n), newGuarded(rng, s.PairScratch(pairs))
						before := c.clone()
						var bias, shift []float32
						if withBias {
							bias, shift = start.data[:s.NR], make([]float32, s.NR)
							for i := range shift {
								shift[i] = start.data[s.NR+i] - bias[i]
							}
						}
						s.GemmPairs(pairs, k, a.data, panels.data, sums.data, c.data, ldc, bias, shift, scratch.data, flags)
						for i, g := range []guarded{x, w, start, panels, sums, a, c, scratch} {
							g.check(t, fmt.Sprintf("%s: slice %d", what, i))
						}
						for i := range 2 * pairs {
							for j := range n {
								want := 0.0
								if withBias {
									want = float64(start.data[j])
								}
								for p := range k {
									want += float64(x.data[i*k+p]) * float64(w.data[j*k+p])
								}
								switch {
								case flags&ReLU != 0:
									want = max(want, 0)
								case flags&LeakyReLU != 0:
									want = max(want, 0.01*want)
								}
								require.InDelta(t, want, c.data[i*ldc+j], 1e-6*float64(k), "%s: row %d, column %d", what, i, j)
							}
							if i < 2*pairs-1 {
								for j := n; j < ldc; j++ {
									require.Equal(t, math.Float32bits(before.data[i*ldc+j]), math.Float32bits(c.data[i*ldc+j]), "%s: beside the panels", what)
								}
							}
						}
					}
				}
			}
		}
	})
}
