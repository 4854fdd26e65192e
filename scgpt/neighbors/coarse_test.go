package neighbors

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

// bf16Sets are those that can look first, whether faster or not.
func bf16Sets() (sets []*kernel.Set) {
	for _, s := range kernel.Sets() {
		if s.Precision == "bf16" {
			sets = append(sets, s)
		}
	}
	return sets
}

// grouped returns rows around a few centres, which all lie around offset: spread is
// how far rows are from their centre, centres being some 1 apart.
func grouped(seed uint64, rows, cols int, offset, spread float64) Matrix {
	const groups = 12
	centres, rng := rand.New(rand.NewPCG(9, 9)), rand.New(rand.NewPCG(seed, 4))
	mid := make([]float64, groups*cols)
	for i := range mid {
		mid[i] = offset + centres.NormFloat64()/math.Sqrt(float64(cols))
	}
	m := Matrix{Data: make([]float32, rows*cols), Rows: rows, Cols: cols}
	for i := range rows {
		centre := mid[rng.IntN(groups)*cols:]
		for j := range cols {
			m.Data[i*cols+j] = float32(centre[j] + spread*rng.NormFloat64()/math.Sqrt(float64(cols)))
		}
	}
	return m
}

func scaled(m Matrix, f float64) Matrix {
	for i, v := range m.Data {
		m.Data[i] = float32(float64(v) * f)
	}
	return m
}

// Whatever bfloat16 cannot tell apart, the result is that of the distances.
func TestCoarseLeavesTheResultAsItIs(t *testing.T) {
	t.Parallel()
	if len(bf16Sets()) == 0 {
		t.Skip("this processor has no products of bfloat16 that these kernels use")
	}
	sparse := grouped(3, 3000, 40, 0, 1)
	for i := range sparse.Data {
		if i%3 != 0 {
			sparse.Data[i] = 0
		}
	}
	wide := grouped(4, 2200, 1100, 0, 0.5)
	for i := range wide.Data {
		if i%1100%40 != 0 {
			wide.Data[i] = 0
		}
	}
	huge := grouped(5, 3000, 40, 0, 1)
	huge.Data[77*40+3], huge.Data[900*40+7] = 1.5e38, -1.5e38
	for name, c := range map[string]struct {
		refs     Matrix
		rulesOut bool // else float32 does it all, for want of differences or of range
	}{
		"groups":         {grouped(1, 3000, 96, 0, 0.5), true},
		"an offset":      {grouped(1, 3000, 96, 100, 0.5), true},
		"large":          {scaled(grouped(1, 3000, 96, 0, 0.5), 1e18), true},
		"small":          {scaled(grouped(1, 3000, 96, 0, 0.5), 1e-12), true},
		"zeros":          {sparse, true},
		"many columns":   {wide, true},
		"an odd number":  {grouped(1, 2777, 31, 0, 0.5), true},
		"close together": {grouped(1, 3000, 96, 1, 1e-4), false},
		"all the same":   {grouped(1, 3000, 96, 1, 0), false},
		"tiny":           {scaled(grouped(1, 3000, 96, 0, 0.5), 1e-38), false},
		"smaller":        {scaled(grouped(1, 3000, 96, 0, 0.5), 1e-42), false},
		"very large":     {scaled(grouped(1, 3000, 96, 0, 0.5), 5e36), false},
		"huge values":    {huge, false},
		"one column":     {grouped(1, 3000, 1, 0, 0.5), false},
		"a large offset": {scaled(grouped(1, 3000, 8, 3, 0.5), 1e37), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refs := c.refs
			queries := Matrix{Data: refs.Data[:refs.Cols*211], Rows: 211, Cols: refs.Cols}
			want, err := searchWith(t.Context(), kernel.Generic, nil, queries, refs, 9, Options{})
			require.NoError(t, err)
			for _, threads := range []int{1, 3} {
				for _, set := range bf16Sets() {
					fineSet, fine := counting(kernel.Sets()[0])
					got, err := searchWith(t.Context(), fineSet, set, queries, refs, 9, Options{Threads: threads})
					require.NoError(t, err)
					require.Equal(t, want, got, set.Name)
					all := int64(queries.Rows * ((refs.Rows-1)/fineSet.NR + 1) * ((refs.Cols-1)/depth + 1))
					if c.rulesOut {
						require.Less(t, fine.Load(), all*9/10, set.Name)
					}
				}
			}
		})
	}
}

// A query that is rounded by half a unit, the most that there is, finds the reference
// that is its equal behind one that is a little off.
func TestCoarseAllowsForTheWorstRounding(t *testing.T) {
	t.Parallel()
	const x, rows, found = 1 + 0x1p-8, 4096, 2000 // x lies between two numbers of bfloat16
	refs := Matrix{Data: make([]float32, rows), Rows: rows, Cols: 1}
	for i := range refs.Data {
		refs.Data[i] = 0.9
		if i%2 > 0 {
			refs.Data[i] = -0.9
		}
	}
	refs.Data[1], refs.Data[found] = x+0.03, x
	// The mean is that of each fourth row: 0.9, whose opposite are these.
	for i := 4; i < rows; i += 8 {
		if i != found {
			refs.Data[i] = -0.9
		}
	}
	queries := Matrix{Data: slices.Repeat([]float32{x}, coarseQueries), Rows: coarseQueries, Cols: 1}
	for _, set := range bf16Sets() {
		got, err := searchWith(t.Context(), kernel.Sets()[0], set, queries, refs, 1, Options{Threads: 1})
		require.NoError(t, err)
		require.EqualValues(t, found, got.Indices[0], set.Name)
	}
}

// counting returns a set that counts the rows that its products have.
func counting(set *kernel.Set) (*kernel.Set, *atomic.Int64) {
	counted, n := *set, new(atomic.Int64)
	counted.Gemm = func(m, k int, a []float32, lda int, b []float32, c []float32, ldc int, bias []float32, flags kernel.Flags) {
		n.Add(int64(m))
		set.Gemm(m, k, a, lda, b, c, ldc, bias, flags)
	}
	return &counted, n
}

// It rules out most where rows can be told apart, and is soon left alone where not.
func TestCoarseRulesOut(t *testing.T) {
	t.Parallel()
	if len(bf16Sets()) == 0 {
		t.Skip("this processor has no products of bfloat16 that these kernels use")
	}
	for _, c := range []struct {
		name             string
		refs             Matrix
		fine, atMost     float64 // shares of all products
		coarse, coarseTo float64
	}{
		{"groups", grouped(1, 20_000, 64, 3, 0.5), 0, 0.2, 0.8, 1},
		{"close together", grouped(1, 20_000, 64, 3, 1e-5), 0.9, 1, 0, 0.2},
	} {
		t.Run(c.name, func(t *testing.T) {
			queries := Matrix{Data: c.refs.Data[:64*500], Rows: 500, Cols: 64}
			fineSet, fine := counting(kernel.Sets()[0])
			coarseSet, coarse := counting(bf16Sets()[0])
			_, err := searchWith(t.Context(), fineSet, coarseSet, queries, c.refs, 5, Options{Threads: 1})
			require.NoError(t, err)
			share := func(n *atomic.Int64, set *kernel.Set) float64 {
				return float64(n.Load()) * float64(set.NR) / (500 * 20_000)
			}
			require.GreaterOrEqual(t, share(fine, fineSet), c.fine)
			require.LessOrEqual(t, share(fine, fineSet), c.atMost*1.01)
			require.GreaterOrEqual(t, share(coarse, coarseSet), c.coarse)
			require.LessOrEqual(t, share(coarse, coarseSet), c.coarseTo*1.01)
		})
	}
}

// The two ways beside one another, on rows that differ more and less.
func BenchmarkCoarse(b *testing.B) {
	for _, c := range []struct {
		name           string
		offset, spread float64
	}{{"apart", 1, 1}, {"near", 1, 0.2}, {"close", 1, 0.02}, {"same", 1, 1e-4}} {
		refs := grouped(1, 20_000, 512, c.offset/math.Sqrt(512), c.spread)
		queries := Matrix{Data: refs.Data[:512*2000], Rows: 2000, Cols: 512}
		for name, set := range map[string]*kernel.Set{"fp32": nil, "first bf16": coarseSet()} {
			if name != "fp32" && set == nil {
				continue
			}
			b.Run(c.name+"/"+name, func(b *testing.B) {
				for b.Loop() {
					if _, err := searchWith(b.Context(), kernel.Sets()[0], set, queries, refs, 10, Options{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
