package tokens_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// wide is a gene map of n columns, column i being id i, but for every fifth,
// which is unmatched.
func wide(n int) *tokens.GeneMap {
	g := &tokens.GeneMap{IDs: make([]int32, n), Names: make([]string, n)}
	for i := range g.IDs {
		g.IDs[i] = int32(i)
		if i%5 == 4 {
			g.IDs[i] = -1
		}
	}
	return g
}

func newTokenizer(t *testing.T, g *tokens.GeneMap, o tokens.Options) *tokens.Tokenizer {
	t.Helper()
	tok, err := tokens.New(g, o)
	require.NoError(t, err)
	return tok
}

func TestAppend(t *testing.T) {
	t.Parallel()
	const cls = 99
	indices := []int32{0, 2, 3, 4, 6}
	values := []float32{5, 1, 0, 1000, 3}
	for name, tc := range map[string]struct {
		options tokens.Options
		ids     []int32
		values  []float32
		info    tokens.CellInfo
	}{
		"zero-shot": {
			options: tokens.ZeroShot(cls, -2),
			ids:     []int32{cls, 0, 2, 6},
			values:  []float32{-2, 50, 1, 25},
			info:    tokens.CellInfo{Genes: 3, Tokens: 4},
		},
		"fine-tune": {
			options: tokens.FineTune(cls),
			ids:     []int32{cls, 0, 2, 6},
			values:  []float32{0, 50, 1, 25},
			info:    tokens.CellInfo{Genes: 3, Tokens: 4},
		},
		"zero genes": {
			options: func() tokens.Options {
				o := tokens.FineTune(cls)
				o.IncludeZeroGenes = true
				return o
			}(),
			ids:    []int32{cls, 0, 1, 2, 3, 5, 6, 7, 8},
			values: []float32{0, 50, 0, 1, 0, 0, 25, 0, 0},
			info:   tokens.CellInfo{Genes: 8, Tokens: 9},
		},
		"zero genes, highest": {
			options: tokens.Options{CLS: cls, IncludeZeroGenes: true, MaxLength: 5, Cap: tokens.CapHighest},
			ids:     []int32{cls, 0, 1, 2, 6},
			values:  []float32{0, 50, 0, 1, 25},
			info:    tokens.CellInfo{Genes: 8, Tokens: 5, Truncated: true},
		},
		"exactly full": {
			options: tokens.Options{CLS: cls, MaxLength: 4},
			ids:     []int32{cls, 0, 2, 6},
			values:  []float32{0, 50, 1, 25},
			info:    tokens.CellInfo{Genes: 3, Tokens: 4},
		},
		"capped": {
			options: tokens.Options{CLS: cls, MaxLength: 3, Cap: tokens.CapHighest},
			ids:     []int32{cls, 0, 6},
			values:  []float32{0, 50, 25},
			info:    tokens.CellInfo{Genes: 3, Tokens: 3, Truncated: true},
		},
		"no limit": {
			options: tokens.Options{CLS: cls, MaxLength: -1},
			ids:     []int32{cls, 0, 2, 6},
			values:  []float32{0, 50, 1, 25},
			info:    tokens.CellInfo{Genes: 3, Tokens: 4},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tok := newTokenizer(t, wide(9), tc.options)
			var dst tokens.Packed
			for row := range 2 {
				info, err := tok.Append(&dst, row, indices, values)
				require.NoError(t, err)
				require.Equal(t, tc.info, info)
			}
			require.Equal(t, append(slices.Clone(tc.ids), tc.ids...), dst.IDs)
			require.Equal(t, append(slices.Clone(tc.values), tc.values...), dst.Values)
			n := int32(len(tc.ids))
			require.Equal(t, []int32{0, n, 2 * n}, dst.Offsets)
			require.Equal(t, 2, dst.Cells())
			require.Equal(t, int(2*n), dst.Tokens())
		})
	}
}

func TestAppendAnyOrder(t *testing.T) {
	t.Parallel()
	tok := newTokenizer(t, wide(9), tokens.FineTune(99))
	var sorted, shuffled tokens.Packed
	_, err := tok.Append(&sorted, 0, []int32{0, 2, 6}, []float32{5, 1, 3})
	require.NoError(t, err)
	_, err = tok.Append(&shuffled, 0, []int32{6, 0, 2}, []float32{3, 5, 1})
	require.NoError(t, err)
	require.Equal(t, sorted, shuffled)
}

func TestAppendEmpty(t *testing.T) {
	t.Parallel()
	zeros := tokens.FineTune(99)
	zeros.IncludeZeroGenes = true
	for name, tc := range map[string]struct {
		options tokens.Options
		indices []int32
		values  []float32
		tokens  int
	}{
		"no entries":      {tokens.ZeroShot(99, -2), nil, nil, 1},
		"stored zeros":    {tokens.ZeroShot(99, -2), []int32{0, 1}, []float32{0, 0}, 1},
		"unmatched genes": {tokens.ZeroShot(99, -2), []int32{4}, []float32{7}, 1},
		"zero genes":      {zeros, []int32{4}, []float32{7}, 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var dst tokens.Packed
			info, err := newTokenizer(t, wide(10), tc.options).Append(&dst, 0, tc.indices, tc.values)
			require.NoError(t, err)
			require.True(t, info.Empty)
			require.Equal(t, tc.tokens, info.Tokens)
			require.EqualValues(t, 99, dst.IDs[0])
			require.Equal(t, []int32{0, int32(tc.tokens)}, dst.Offsets)
			for _, v := range dst.Values[1:] {
				require.Zero(t, v)
			}
		})
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	g := wide(10)
	g.Names[2] = "LYZ"
	for name, tc := range map[string]struct {
		indices []int32
		values  []float32
		want    string
	}{
		"NaN":             {[]int32{0, 2}, []float32{1, nan}, `cell 7: gene "LYZ" (column 2) has the value NaN; a finite number`},
		"infinite":        {[]int32{0, 2}, []float32{1, inf}, `cell 7: gene "LYZ" (column 2) has the value +Inf`},
		"minus infinite":  {[]int32{0, 2}, []float32{1, -inf}, `cell 7: gene "LYZ" (column 2) has the value -Inf; a finite`},
		"negative":        {[]int32{0, 2}, []float32{1, -0.5}, `cell 7: gene "LYZ" (column 2) has the value -0.5; expression is 0 or more`},
		"index too high":  {[]int32{0, 10}, []float32{1, 1}, "cell 7: index 10, but there are 10 genes"},
		"index negative":  {[]int32{-1}, []float32{1}, "cell 7: index -1"},
		"twice":           {[]int32{2, 2}, []float32{1, 1}, `cell 7: gene "LYZ" (column 2) has two values`},
		"twice, far away": {[]int32{2, 0, 2}, []float32{1, 1, 1}, `cell 7: gene "LYZ" (column 2) has two values`},
		"lengths":         {[]int32{2}, nil, "cell 7: 1 indices for 0 values"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tok := newTokenizer(t, g, tokens.FineTune(99))
			var dst tokens.Packed
			_, err := tok.Append(&dst, 7, tc.indices, tc.values)
			require.ErrorContains(t, err, tc.want)
			var cell *tokens.CellError
			require.ErrorAs(t, err, &cell)
			require.Equal(t, 7, cell.Row)
			require.Equal(t, "InvalidDataError", cell.ErrorType())
			require.Zero(t, dst)
		})
	}
}

// What is not in the vocabulary does not count, whatever its value.
func TestAppendIgnoresUnmatched(t *testing.T) {
	t.Parallel()
	var dst tokens.Packed
	_, err := newTokenizer(t, wide(10), tokens.FineTune(99)).Append(&dst, 0, []int32{3, 4}, []float32{1, float32(math.NaN())})
	require.NoError(t, err)
	require.Equal(t, []int32{99, 3}, dst.IDs)
}

func TestAllowNegative(t *testing.T) {
	t.Parallel()
	o := tokens.ZeroShot(99, -2)
	o.AllowNegative, o.IncludeZeroGenes = true, true
	var dst tokens.Packed
	_, err := newTokenizer(t, wide(4), o).Append(&dst, 0, []int32{0, 2, 3}, []float32{-4, 1, 0.5})
	require.NoError(t, err)
	require.Equal(t, []float32{-2, 1, 0, 50, 25}, dst.Values)
}

func TestCap(t *testing.T) {
	t.Parallel()
	g := &tokens.GeneMap{IDs: []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}
	indices := []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	values := []float32{2, 4, 6, 8, 9, 7, 5, 3, 1, 9}
	// High to low the columns are 4 9 3 5 2 6 1 7 0 8; 4 and 9 tie.
	for _, tc := range []struct {
		rule tokens.Cap
		keep int
		ids  []int32
	}{
		{tokens.CapEven, 5, []int32{0, 1, 2, 3, 4}},
		{tokens.CapEven, 4, []int32{3, 4, 6, 7}}, // ranks 0, 2, 5, 7
		{tokens.CapEven, 1, []int32{4}},
		{tokens.CapFirst, 3, []int32{0, 1, 2}},
		{tokens.CapHighest, 1, []int32{4}},
		{tokens.CapHighest, 3, []int32{3, 4, 9}},
	} {
		var whole, dst tokens.Packed
		_, err := newTokenizer(t, g, tokens.Options{CLS: 99}).Append(&whole, 0, indices, values)
		require.NoError(t, err)
		info, err := newTokenizer(t, g, tokens.Options{CLS: 99, Cap: tc.rule, MaxLength: tc.keep + 1}).Append(&dst, 0, indices, values)
		require.NoError(t, err)
		require.True(t, info.Truncated)
		require.Equal(t, tc.ids, dst.IDs[1:], "%s, %d kept", tc.rule, tc.keep)
		for i, id := range dst.IDs[1:] {
			require.Equal(t, whole.Values[1+id], dst.Values[1+i], "bins are those of the whole cell")
		}
	}
}

func TestSeeded(t *testing.T) {
	t.Parallel()
	g := wide(1000)
	indices, values := make([]int32, 1000), make([]float32, 1000)
	for i := range indices {
		indices[i], values[i] = int32(i), float32(1+i%3)
	}
	run := func(seed uint64, rows ...int) tokens.Packed {
		o := tokens.Options{CLS: 5000, MaxLength: 401, Cap: tokens.CapSeeded, Ties: tokens.TiesSeeded, Seed: seed}
		tok := newTokenizer(t, g, o)
		var dst tokens.Packed
		for _, row := range rows {
			info, err := tok.Append(&dst, row, indices, values)
			require.NoError(t, err)
			require.Equal(t, tokens.CellInfo{Genes: 800, Tokens: 401, Truncated: true}, info)
		}
		return dst
	}
	alone, pair := run(1, 8), run(1, 7, 8)
	require.Equal(t, alone.IDs, pair.IDs[401:], "a row's draw does not depend on the rows before")
	require.Equal(t, alone.Values, pair.Values[401:])
	require.NotEqual(t, pair.IDs[:401], pair.IDs[401:], "rows differ")
	require.NotEqual(t, alone.IDs, run(2, 8).IDs, "seeds differ")
	require.True(t, slices.IsSorted(alone.IDs[1:]))
	require.Len(t, slices.Compact(slices.Clone(alone.IDs)), 401)

	// Values of 1 span the bins from 1 up; a draw reaches more than one of them.
	seen := map[float32]bool{}
	for i, id := range alone.IDs {
		if id%3 == 0 {
			seen[alone.Values[i]] = true
		}
	}
	require.Greater(t, len(seen), 10)
}

// Every gene is as likely to be kept as any other.
func TestSeededCapIsFair(t *testing.T) {
	t.Parallel()
	g := &tokens.GeneMap{IDs: []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}
	tok := newTokenizer(t, g, tokens.Options{CLS: 99, MaxLength: 4, Cap: tokens.CapSeeded})
	kept := make([]int, 10)
	const rows = 10000
	for row := range rows {
		var dst tokens.Packed
		_, err := tok.Append(&dst, row, g.IDs, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
		require.NoError(t, err)
		for _, id := range dst.IDs[1:] {
			kept[id]++
		}
	}
	for id, n := range kept {
		// Expected 3000 with a standard deviation of 46.
		require.InDelta(t, 3*rows/10, n, 230, "gene %d", id)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	tok := newTokenizer(t, wide(100), tokens.FineTune(200))
	indices, values := []int32{1, 2, 3}, []float32{3, 2, 1}
	var want tokens.Packed
	_, err := tok.Append(&want, 0, indices, values)
	require.NoError(t, err)
	results := make(chan tokens.Packed)
	for range 4 {
		go func(tok *tokens.Tokenizer) {
			var dst tokens.Packed
			for range 100 {
				dst = tokens.Packed{}
				_, _ = tok.Append(&dst, 0, indices, values) // equal tokens are what is tested below
			}
			results <- dst
		}(tok.Clone())
	}
	for range 4 {
		require.Equal(t, want, <-results)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options tokens.Options
		want    string
	}{
		"CLS":       {tokens.Options{CLS: -1}, "option CLS: id -1"},
		"CLSValue":  {tokens.Options{CLSValue: float32(math.NaN())}, "option CLSValue: NaN"},
		"NBins":     {tokens.Options{NBins: 2}, "option NBins: 2 bins"},
		"MaxLength": {tokens.Options{MaxLength: 1}, "option MaxLength: 1 tokens"},
		"Cap":       {tokens.Options{Cap: "last"}, `option Cap: "last", one of even, first, highest, seeded would be right`},
		"Ties":      {tokens.Options{Ties: "right"}, `option Ties: "right", one of mid, left, seeded would be right`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tokens.New(wide(3), tc.options)
			require.ErrorContains(t, err, tc.want)
		})
	}
	_, err := tokens.New(nil, tokens.Options{})
	require.ErrorContains(t, err, "no gene map")
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	tok := newTokenizer(t, wide(3), tokens.Options{})
	require.Equal(t, tokens.Options{NBins: 51, MaxLength: 1200, Cap: tokens.CapEven, Ties: tokens.TiesMid}, tok.Options())
	require.Equal(t, 1200, tokens.ZeroShot(0, -2).MaxLength)
	require.Equal(t, 3001, tokens.FineTune(0).MaxLength)
}

func TestAppendDoesNotAllocate(t *testing.T) {
	g := wide(3000)
	indices, values := make([]int32, 3000), make([]float32, 3000)
	for i := range indices {
		indices[i], values[i] = int32(i), float32(1+i%17)
	}
	tok := newTokenizer(t, g, tokens.ZeroShot(5000, -2))
	var dst tokens.Packed
	allocations := testing.AllocsPerRun(20, func() {
		dst.IDs, dst.Values, dst.Offsets = dst.IDs[:0], dst.Values[:0], dst.Offsets[:0]
		if _, err := tok.Append(&dst, 3, indices, values); err != nil {
			t.Error(err)
		}
	})
	require.Zero(t, allocations)
}
