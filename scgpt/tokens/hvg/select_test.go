package hvg_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

// dense makes a source of rows, of which zeros are left out.
func dense(rows ...[]float32) hvg.Source {
	b := hvg.Block{Indptr: []int64{0}}
	for _, row := range rows {
		for c, v := range row {
			if v != 0 {
				b.Indices = append(b.Indices, int32(c))
				b.Values = append(b.Values, v)
			}
		}
		b.Indptr = append(b.Indptr, int64(len(b.Values)))
	}
	return func(yield func(hvg.Block) error) error { return yield(b) }
}

// counts makes cells whose gene i has about the mean 1+i and, for every tenth
// gene, a larger variance.
func counts(n, genes int) [][]float32 {
	rows := make([][]float32, n)
	state := uint32(7)
	for r := range rows {
		rows[r] = make([]float32, genes)
		for c := range genes {
			state = state*1664525 + 1013904223
			v := float32(state>>16%uint32(2+c)) + float32(c)/2
			if c%10 == 0 && r%4 == 0 {
				v *= 3
			}
			rows[r][c] = float32(int(v))
		}
	}
	return rows
}

func TestSelectFindsWhatVaries(t *testing.T) {
	t.Parallel()
	rows := counts(200, 60)
	for _, flavor := range []hvg.Flavor{hvg.SeuratV3, hvg.CellRanger} {
		r, err := hvg.Select(t.Context(), 60, dense(rows...), hvg.Options{Flavor: flavor, N: 4})
		require.NoError(t, err)
		require.Len(t, r.Columns, 4, flavor)
		best := 0
		for c, g := range r.Genes {
			if g.Rank == 0 {
				best = c
			}
		}
		require.Zero(t, best%10, flavor)
		require.Contains(t, r.Columns, best, flavor)
		require.Equal(t, 1, r.Genes[best].Batches, flavor)
	}
}

// The blocks in which the cells come do not matter, to the bit.
func TestSelectIsDeterministic(t *testing.T) {
	t.Parallel()
	c := read(t, "celltypist_sample", false)
	for _, flavor := range []hvg.Flavor{hvg.SeuratV3, hvg.CellRanger} {
		opts := hvg.Options{Flavor: flavor, N: 500, Batches: c.third}
		want, err := hvg.Select(t.Context(), len(c.genes), c.source(1000), opts)
		require.NoError(t, err)
		for _, height := range []int{1, 37, 100} {
			got, err := hvg.Select(t.Context(), len(c.genes), c.source(height), opts)
			require.NoError(t, err)
			require.Equal(t, want.Columns, got.Columns)
			for i := range want.Genes {
				require.Equal(t, math.Float64bits(want.Genes[i].Score), math.Float64bits(got.Genes[i].Score))
			}
		}
	}
}

// Genes whose values are equal come in the order of the matrix.
func TestSelectTies(t *testing.T) {
	t.Parallel()
	row := func(v float32) []float32 {
		out := make([]float32, 40)
		for i := range out {
			out[i] = v * float32(1+i/20)
		}
		return out
	}
	for _, batches := range [][]string{nil, {"b", "a", "b", "a", "b", "a"}} {
		rows := dense(row(1), row(2), row(4), row(3), row(5), row(7))
		r, err := hvg.Select(t.Context(), 40, rows, hvg.Options{Flavor: hvg.CellRanger, N: 3, Batches: batches})
		require.NoError(t, err)
		require.Equal(t, []int{0, 1, 2}, r.Columns)
	}
}

// Cells whose genes have two means only: a parabola through the variances is
// not determined.
func TestSelectWarnsOfSingularFit(t *testing.T) {
	t.Parallel()
	a, b := make([]float32, 40), make([]float32, 40)
	for i := range a {
		a[i], b[i] = 1, float32(2+2*(i%2))
	}
	r, err := hvg.Select(t.Context(), 40, dense(a, b), hvg.Options{Flavor: hvg.SeuratV3, N: 3, Span: 1})
	require.NoError(t, err)
	require.Len(t, r.Columns, 3)
	require.Len(t, r.Warnings, 1)
	require.Contains(t, r.Warnings[0], "the data set: the genes' means are too alike for a local fit")
}

func TestSelectCountsFractions(t *testing.T) {
	t.Parallel()
	rows := counts(50, 30)
	rows[3][4], rows[40][1] = 1.5, 0.25
	_, err := hvg.Select(t.Context(), 30, dense(rows...), hvg.Options{Flavor: hvg.SeuratV3, N: 3})
	require.EqualError(t, err, "cell 3, gene 4: 1.5 is not a whole number; seurat_v3 is for counts, cell_ranger for log-normalised values")
	var place *hvg.DataError
	require.ErrorAs(t, err, &place)
	require.Equal(t, []int{3, 4}, []int{place.Cell, place.Column})
	r, err := hvg.Select(t.Context(), 30, dense(rows...), hvg.Options{Flavor: hvg.SeuratV3, N: 3, Span: 0.5, AllowFractions: true})
	require.NoError(t, err)
	require.Equal(t, int64(2), r.Fractions)
	r, err = hvg.Select(t.Context(), 30, dense(rows...), hvg.Options{Flavor: hvg.CellRanger, N: 3})
	require.NoError(t, err)
	require.Equal(t, int64(2), r.Fractions)
}

func TestSelectRefuses(t *testing.T) {
	t.Parallel()
	with := func(v float32) [][]float32 {
		rows := counts(6, 30)
		rows[2][5] = v
		return rows
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	six := func(names ...string) []string { return names }
	for name, c := range map[string]struct {
		rows [][]float32
		opts hvg.Options
		want string
		data bool
	}{
		"no flavor":         {with(1), hvg.Options{N: 2}, `flavor "" is unknown; there are "seurat_v3", for counts, and "cell_ranger", for log-normalised values`, false},
		"none asked for":    {with(1), hvg.Options{Flavor: hvg.CellRanger}, "0 genes asked for, want at least 1", false},
		"span":              {with(1), hvg.Options{Flavor: hvg.SeuratV3, N: 2, Span: 1.5}, "span 1.5, want above 0 and at most 1", false},
		"span NaN":          {with(1), hvg.Options{Flavor: hvg.SeuratV3, N: 2, Span: math.NaN()}, "span NaN, want above 0 and at most 1", false},
		"too many":          {with(1), hvg.Options{Flavor: hvg.CellRanger, N: 31}, "31 highly variable genes asked for, but there are 30 genes", true},
		"NaN":               {with(nan), hvg.Options{Flavor: hvg.CellRanger, N: 2}, "cell 2, gene 5: NaN is not a finite number", true},
		"infinite":          {with(inf), hvg.Options{Flavor: hvg.SeuratV3, N: 2}, "cell 2, gene 5: +Inf is not a finite number", true},
		"negative":          {with(-1), hvg.Options{Flavor: hvg.SeuratV3, N: 2}, "cell 2, gene 5: -1 is negative; counts or log-normalised values, not scaled to a mean of 0, are wanted", true},
		"negative, log":     {with(-1), hvg.Options{Flavor: hvg.CellRanger, N: 2}, "cell 2, gene 5: -1 is negative; counts or log-normalised values, not scaled to a mean of 0, are wanted", true},
		"one cell":          {with(1)[:1], hvg.Options{Flavor: hvg.CellRanger, N: 2}, "the data set: number of cells is 1, want at least 2", true},
		"no cell":           {nil, hvg.Options{Flavor: hvg.SeuratV3, N: 2}, "the data set: number of cells is 0, want at least 2", true},
		"batch of one cell": {with(1), hvg.Options{Flavor: hvg.SeuratV3, N: 2, Batches: six("a", "a", "b", "a", "a", "a")}, `batch "b": number of cells is 1, want at least 2`, true},
		"cell without":      {with(1), hvg.Options{Flavor: hvg.SeuratV3, N: 2, Batches: six("a", "a", "", "a", "a", "a")}, "cell 2 has no batch", true},
		"batches too few":   {with(1), hvg.Options{Flavor: hvg.CellRanger, N: 2, Batches: six("a", "a")}, "there are more than the 2 cells whose batch is given", true},
		"batches too many":  {with(1), hvg.Options{Flavor: hvg.CellRanger, N: 2, Batches: six("a", "a", "a", "a", "a", "a", "a")}, "there are 6 cells, but the batch is given of 7", true},
		"genes too few":     {with(1), hvg.Options{Flavor: hvg.SeuratV3, N: 2, Span: 0.1}, "the data set has 30 genes that vary: the local fits would have fewer values than unknowns; leave in more genes, or raise the span", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := hvg.Select(t.Context(), 30, dense(c.rows...), c.opts)
			require.EqualError(t, err, c.want)
			var data interface{ ErrorType() string }
			require.Equal(t, c.data, errors.As(err, &data))
			if c.data {
				require.Equal(t, "InvalidDataError", data.ErrorType())
			}
		})
	}
}

// Batches for every cell of its own would need sums by the billion.
func TestSelectBoundsMemory(t *testing.T) {
	t.Parallel()
	batches := make([]string, 20_000)
	for i := range batches {
		batches[i] = string(rune('a'+i/2%26)) + string(rune('A'+i/52%26)) + string(rune('0'+i/1352))
	}
	_, err := hvg.Select(t.Context(), 60_000, dense(), hvg.Options{Flavor: hvg.CellRanger, N: 1, Batches: batches})
	require.ErrorContains(t, err, "batches and 60000 genes; at most")
}

func TestSelectOfUnsoundBlocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		block hvg.Block
		want  string
	}{
		{hvg.Block{}, "block of 0 row pointers, 0 indices and 0 values"},
		{hvg.Block{Indptr: []int64{0, 1}, Indices: []int32{0}}, "block of 2 row pointers, 1 indices and 0 values"},
		{hvg.Block{Indptr: []int64{0, 2}, Indices: []int32{0}, Values: []float32{1}}, "cell 0 goes from entry 0 to 2 of 1"},
		{hvg.Block{Indptr: []int64{-1, 1}, Indices: []int32{0}, Values: []float32{1}}, "cell 0 goes from entry -1 to 1 of 1"},
		{hvg.Block{Indptr: []int64{1, 0}, Indices: []int32{0}, Values: []float32{1}}, "cell 0 goes from entry 1 to 0 of 1"},
		{hvg.Block{Indptr: []int64{0, 1}, Indices: []int32{9}, Values: []float32{1}}, "cell 0 has a value of gene 9, but there are 9 genes"},
		{hvg.Block{Indptr: []int64{0, 1}, Indices: []int32{-2}, Values: []float32{1}}, "cell 0 has a value of gene -2, but there are 9 genes"},
	} {
		source := func(yield func(hvg.Block) error) error { return yield(c.block) }
		_, err := hvg.Select(t.Context(), 9, source, hvg.Options{Flavor: hvg.CellRanger, N: 1})
		require.EqualError(t, err, c.want)
	}
}

func TestSelectSourceFails(t *testing.T) {
	t.Parallel()
	rows := counts(40, 40)
	opts := hvg.Options{Flavor: hvg.SeuratV3, N: 5}
	broken := errors.New("disk on fire")

	_, err := hvg.Select(t.Context(), 40, func(func(hvg.Block) error) error { return broken }, opts)
	require.ErrorIs(t, err, broken)

	calls := 0
	shrinking := func(yield func(hvg.Block) error) error {
		calls++
		return dense(rows[:41-calls]...)(yield)
	}
	_, err = hvg.Select(t.Context(), 40, shrinking, opts)
	require.EqualError(t, err, "there were 40 cells at first and 39 the second time")

	deaf := func(yield func(hvg.Block) error) error {
		_ = yield(hvg.Block{})
		return yield(hvg.Block{})
	}
	_, err = hvg.Select(t.Context(), 40, deaf, opts)
	require.EqualError(t, err, "the source went on after an error")
}

func TestSelectIsCancelled(t *testing.T) {
	t.Parallel()
	rows := counts(40, 40)
	for pass := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		source := func(yield func(hvg.Block) error) error {
			if calls == pass {
				cancel()
			}
			calls++
			return dense(rows...)(yield)
		}
		_, err := hvg.Select(ctx, 40, source, hvg.Options{Flavor: hvg.SeuratV3, N: 5})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, pass+1, calls)
		cancel()
	}
}
