package computetest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func testLinear(t *testing.T, c Config) {
	dev, judge := c.pair(t)
	for i, s := range []struct{ rows, in, out int }{
		{1, 1, 1}, {1, 512, 512}, {2, 3, 5}, {3, 7, 31}, {4, 64, 4}, {5, 33, 17}, {6, 16, 16}, {7, 64, 192},
		{12, 65, 15}, {13, 100, 32}, {14, 1, 64}, {15, 64, 33}, {29, 511, 10}, {53, 1, 64}, {111, 64, 1},
		{112, 513, 48}, {113, 64, 64}, {230, 128, 96}, {64, 1100, 40},
	} {
		for _, act := range []compute.Activation{compute.Identity, compute.ReLU, compute.LeakyReLU, compute.Sigmoid} {
			for _, biased := range []bool{false, true} {
				if (i+int(act))%2 == 0 && biased {
					continue // half of the combinations
				}
				t.Run(fmt.Sprintf("%dx%dx%d %v bias=%v", s.rows, s.in, s.out, act, biased), func(t *testing.T) {
					x := numbers(1, s.rows*s.in, 1)
					w := numbers(2, s.out*s.in, 1/math.Sqrt(float64(s.in)))
					bias := numbers(3, s.out, 1)
					run := func(b *bench) []float32 {
						var start compute.Tensor
						if biased {
							start = b.upload(1, s.out, bias)
						}
						dst := b.tensor(s.rows, s.out)
						require.NoError(t, b.Linear(t.Context(), dst, b.upload(s.rows, s.in, x), b.matrix(s.out, s.in, w), start, act))
						return b.read(dst)
					}
					c.requireClose(t, run(judge), run(dev), math.Sqrt(float64(s.in))+4)
				})
			}
		}
	}
}

var attentionShapes = []struct {
	lengths      []int
	width, heads int
}{
	{[]int{1}, 1, 1},
	{[]int{1}, 64, 4},
	{[]int{2, 1, 3}, 12, 3},
	{[]int{13, 14, 15}, 24, 1},
	{[]int{27, 28, 29, 1}, 66, 2},
	{[]int{61, 5}, 64, 4},
	{[]int{70, 129, 3}, 64, 2},
	{[]int{248}, 128, 2},
	{[]int{66, 131}, 128, 1},
	{[]int{31, 32, 33, 64}, 130, 2},
	{[]int{1201, 3}, 16, 2},
}

func testAttention(t *testing.T, c Config) {
	dev, judge := c.pair(t)
	for _, s := range attentionShapes {
		t.Run(fmt.Sprintf("%v %d/%d", s.lengths, s.width, s.heads), func(t *testing.T) {
			n, d := total(s.lengths), s.width
			qkv := numbers(1, n*3*d, 1)
			run := func(b *bench) []float32 {
				dst := b.tensor(n, d)
				require.NoError(t, b.Attention(t.Context(), dst, b.upload(n, 3*d, qkv), b.layout(s.lengths...), s.heads))
				return b.read(dst)
			}
			got := run(dev)
			c.requireClose(t, run(judge), got, 8)

			var q, kv []float32
			offsets := offsetsOf(s.lengths)
			for row := range n {
				kv = append(kv, qkv[row*3*d+d:(row+1)*3*d]...)
			}
			var first []float32
			for _, row := range offsets[:len(s.lengths)] {
				q = append(q, qkv[int(row)*3*d:int(row)*3*d+d]...)
				first = append(first, got[int(row)*d:int(row+1)*d]...)
			}
			dst := dev.tensor(len(s.lengths), d)
			err := dev.AttentionFirst(t.Context(), dst, dev.upload(len(s.lengths), d, q), dev.upload(n, 2*d, kv), dev.layout(s.lengths...), s.heads)
			require.NoError(t, err)
			requireSameBits(t, first, dev.read(dst), "AttentionFirst and Attention")
		})
	}
}

// Scores far apart make all but one weight vanish; equal ones make the mean.
func testAttentionExtremes(t *testing.T, c Config) {
	dev, judge := c.pair(t)
	const n, d = 40, 8
	for _, scale := range []float64{0, 1e-20, 30, 1000, 1e15} {
		t.Run(fmt.Sprint(scale), func(t *testing.T) {
			qkv := numbers(4, n*3*d, 1)
			for row := range n {
				for j := range 2 * d {
					qkv[row*3*d+j] *= float32(scale)
				}
			}
			run := func(b *bench) []float32 {
				dst := b.tensor(n, d)
				require.NoError(t, b.Attention(t.Context(), dst, b.upload(n, 3*d, qkv), b.layout(n), 1))
				return b.read(dst)
			}
			// Rounding moves a score by its size times 2^-24, and a
			// weight by the exponential of that; beyond, it is enough
			// that the result is a mean of values.
			size := 8 + scale*scale
			if scale >= 1000 {
				for i, v := range run(dev) {
					require.LessOrEqual(t, math.Abs(float64(v)), 6.0, "number %d", i)
				}
				return
			}
			c.requireClose(t, run(judge), run(dev), size)
		})
	}
}

func testAttentionScores(t *testing.T, c Config) {
	dev, judge := c.pair(t)
	for _, s := range []struct{ rows, from, to, width, heads int }{
		{1, 0, 1, 4, 1}, {10, 3, 8, 12, 3}, {61, 0, 61, 64, 4}, {100, 29, 99, 66, 2}, {300, 1, 300, 16, 1},
	} {
		t.Run(fmt.Sprintf("%d-%d of %d %d/%d", s.from, s.to, s.rows, s.width, s.heads), func(t *testing.T) {
			qkv := numbers(1, s.rows*3*s.width, 1)
			run := func(b *bench) []float32 {
				m := s.to - s.from
				dst := b.tensor(s.heads*m, m)
				require.NoError(t, b.AttentionScores(t.Context(), dst, b.upload(s.rows, 3*s.width, qkv), s.from, s.to, s.heads))
				return b.read(dst)
			}
			c.requireClose(t, run(judge), run(dev), float64(s.width/s.heads)+4)
		})
	}
}

func testDot(t *testing.T, c Config) {
	dev, judge := c.pair(t)
	for _, cols := range []int{1, 7, 64, 513} {
		t.Run(fmt.Sprint(cols), func(t *testing.T) {
			lengths := []int{3, 1, 70}
			n := total(lengths)
			x, y := numbers(1, n*cols, 1), numbers(2, len(lengths)*cols, 1)
			run := func(b *bench) []float32 {
				dst := b.tensor(n, 1)
				require.NoError(t, b.Dot(t.Context(), dst, b.upload(n, cols, x), b.upload(len(lengths), cols, y), b.layout(lengths...)))
				return b.read(dst)
			}
			c.requireClose(t, run(judge), run(dev), float64(cols)+4)
		})
	}
}

func testPool(t *testing.T, c Config) {
	dev, judge := c.pair(t)
	for _, cols := range []int{1, 7, 64, 513} {
		t.Run(fmt.Sprint(cols), func(t *testing.T) {
			lengths := []int{3, 1, 70}
			n := total(lengths)
			x, weights := numbers(1, n*cols, 1), numbers(2, n, 1)
			run := func(b *bench) []float32 {
				dst := b.tensor(len(lengths), cols)
				require.NoError(t, b.Pool(t.Context(), dst, b.upload(n, cols, x), b.layout(lengths...), weights))
				return b.read(dst)
			}
			c.requireClose(t, run(judge), run(dev), 70)
		})
	}
}
