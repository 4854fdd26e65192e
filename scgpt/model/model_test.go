package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/checkpointtest"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// small is a model with every part of the architecture that its fields name.
var small = synthetic{checkpointtest.Model{Vocab: 60, Width: 24, Heads: 3, Hidden: 40, Layers: 2, Style: checkpoint.Continuous}}

func with(change func(*synthetic)) synthetic {
	s := small
	change(&s)
	return s
}

// variants are the architectures that the goldens do not reach.
var variants = map[string]synthetic{
	"bare":          small,
	"one layer":     with(func(s *synthetic) { s.Layers = 1 }),
	"category":      with(func(s *synthetic) { s.Style, s.ValueRows, s.Classes = checkpoint.Category, 53, 4 }),
	"scaling":       with(func(s *synthetic) { s.Style = checkpoint.Scaling }),
	"batch norm":    with(func(s *synthetic) { s.BatchNorm, s.Classes = true, 7 }),
	"domains":       with(func(s *synthetic) { s.Domains = 3 }),
	"decoders":      with(func(s *synthetic) { s.Decoders = true }),
	"zero decoders": with(func(s *synthetic) { s.Decoders, s.Zero = true, true }),
	"labels":        with(func(s *synthetic) { s.Labels, s.Decoders, s.Zero = 2, true, true }),
	// Wide enough for products of pairs of rows.
	"wide": with(func(s *synthetic) {
		s.Width, s.Heads, s.Hidden, s.Layers, s.Decoders, s.Zero = 128, 2, 128, 3, true, true
	}),
	"labels, domains": with(func(s *synthetic) { s.Labels, s.Domains, s.Decoders, s.Classes = 3, 3, true, 2 }),
}

// everything asks for all that a model can compute.
func everything(m *Model) Options {
	return Options{
		Domain:          max(0, m.Domains()-1),
		TokenEmbeddings: true,
		Expression:      m.expression != nil,
		ZeroProbs:       m.zero != nil,
		MVC:             m.mvc != nil,
		DomainLogits:    m.domain != nil,
	}
}

// outputs names the parts of an output for comparisons, with the number of
// numbers for a cell (0 for those that have one or more for each token).
func outputs(o *Output) map[string][]float32 {
	return map[string][]float32{
		"cell embeddings": o.CellEmbeddings, "logits": o.Logits, "token embeddings": o.TokenEmbeddings,
		"expression": o.Expression, "zero probabilities": o.ZeroProbs, "MVC": o.MVC,
		"MVC zero probabilities": o.MVCZeroProbs, "domain logits": o.DomainLogits,
	}
}

func TestVariantsAgreeWithReference(t *testing.T) {
	t.Parallel()
	for name, s := range variants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ck := s.open(t)
			m := loadModel(t, openDevice(t, "cpu", compute.Options{}), ck)
			judge := loadModel(t, openDevice(t, "reference", compute.Options{}), ck)
			require.Equal(t, s.Classes, m.Classes())
			require.Equal(t, max(s.Domains, s.Labels), m.Domains())
			require.Equal(t, s.Width, m.EmbSize())
			require.Equal(t, s.Heads, m.Heads())
			require.Equal(t, s.Vocab, m.VocabSize())
			batch := randomCells(1, s.Vocab, 17, 1, 33, 5)
			for domain := range max(1, m.Domains()) {
				for _, pooling := range []string{checkpoint.CLS, checkpoint.AvgPool, checkpoint.WPool} {
					opts := everything(m)
					opts.Domain, opts.Pooling = domain, pooling
					want, err := judge.Forward(t.Context(), batch, opts)
					require.NoError(t, err)
					got, err := m.Forward(t.Context(), batch, opts)
					require.NoError(t, err)
					require.Len(t, got.CellEmbeddings, 4*s.Width)
					all := outputs(got)
					for part, numbers := range outputs(want) {
						requireClose(t, numbers, all[part], 1e-4, fmt.Sprintf("domain %d, %s, %s", domain, pooling, part))
					}
				}
			}
		})
	}
}

// Domains must matter, or a test of them proves nothing.
func TestDomainsDiffer(t *testing.T) {
	t.Parallel()
	m := loadModel(t, openDevice(t, "cpu", compute.Options{}), variants["labels, domains"].open(t))
	batch := randomCells(1, m.VocabSize(), 9)
	var seen [][]float32
	for domain := range 3 {
		out, err := m.Forward(t.Context(), batch, Options{Domain: domain, Expression: true})
		require.NoError(t, err)
		for _, other := range seen {
			require.NotEqual(t, other, out.Expression)
		}
		seen = append(seen, out.Expression)
	}
}

// A cell's numbers are the same bytes alone, in a batch, in a batch that is cut
// into pieces, whatever else is asked for and however many threads there are.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	// The probe has no operations but those of every device.
	t.Run("small", func(t *testing.T) {
		t.Parallel()
		requireSameBytes(t, variants["zero decoders"], newProbe(t, "cpu"))
	})
	t.Run("wide", func(t *testing.T) {
		t.Parallel()
		requireSameBytes(t, variants["wide"], openDevice(t, "cpu", compute.Options{}))
	})
}

func requireSameBytes(t *testing.T, s synthetic, dev compute.Device) {
	s.Classes = 3
	ck := s.open(t)
	batch := randomCells(2, s.Vocab, 40, 3, 17, 70, 1, 29)
	m := loadModel(t, dev, ck)
	want, err := m.Forward(t.Context(), batch, everything(m))
	require.NoError(t, err)

	for _, limit := range []int{1, 30, 44, 100} {
		m.limit = newBatchLimit(limit)
		got, err := m.Forward(t.Context(), batch, everything(m))
		require.NoError(t, err)
		require.Equal(t, want, got, "pieces of %d tokens", limit)
		plain, err := m.Forward(t.Context(), batch, Options{})
		require.NoError(t, err)
		require.Equal(t, want.CellEmbeddings, plain.CellEmbeddings, "without the rest, pieces of %d tokens", limit)
		require.Equal(t, want.Logits, plain.Logits)
	}
	for _, threads := range []int{1, 2, 5} {
		other := loadModel(t, openDevice(t, "cpu", compute.Options{Threads: threads}), ck)
		got, err := other.Forward(t.Context(), batch, everything(other))
		require.NoError(t, err)
		require.Equal(t, want, got, "%d threads", threads)
	}
	for c := range batch.Cells() {
		from, to := batch.Offsets[c], batch.Offsets[c+1]
		alone := tokens.Packed{IDs: batch.IDs[from:to], Values: batch.Values[from:to], Offsets: []int32{0, to - from}}
		got, err := m.Forward(t.Context(), alone, everything(m))
		require.NoError(t, err)
		require.Equal(t, want.CellEmbeddings[c*s.Width:(c+1)*s.Width], got.CellEmbeddings, "cell %d alone", c)
		require.Equal(t, want.TokenEmbeddings[int(from)*s.Width:int(to)*s.Width], got.TokenEmbeddings, "cell %d alone", c)
		require.Equal(t, want.MVC[from:to], got.MVC, "cell %d alone", c)
		require.Equal(t, want.MVCZeroProbs[from:to], got.MVCZeroProbs, "cell %d alone", c)
		require.Equal(t, want.Expression[from:to], got.Expression, "cell %d alone", c)
	}
}

// Values between and beyond the bins are encoded as they come; a batch that
// has some changes nothing for those that are bins.
func TestContinuousValues(t *testing.T) {
	t.Parallel()
	ck := small.open(t)
	m := loadModel(t, newProbe(t, "cpu"), ck)
	judge := loadModel(t, openDevice(t, "reference", compute.Options{}), ck)
	batch := randomCells(3, small.Vocab, 6, 12)
	want, err := m.Forward(t.Context(), batch, Options{})
	require.NoError(t, err)
	copy(batch.Values, []float32{-2, 0.5, -7.25, 511, 512, 513})
	mixed, err := m.Forward(t.Context(), batch, Options{TokenEmbeddings: true})
	require.NoError(t, err)
	require.Equal(t, want.CellEmbeddings[small.Width:], mixed.CellEmbeddings[small.Width:], "the cell with bins alone")
	judged, err := judge.Forward(t.Context(), batch, Options{TokenEmbeddings: true})
	require.NoError(t, err)
	requireClose(t, judged.TokenEmbeddings, mixed.TokenEmbeddings, 1e-4, "values beside the bins")

	batch.Values[4], batch.Values[5] = 512, 512
	clamped, err := m.Forward(t.Context(), batch, Options{})
	require.NoError(t, err)
	require.Equal(t, mixed.CellEmbeddings, clamped.CellEmbeddings, "values are clamped at 512")
}

func TestEmptyBatch(t *testing.T) {
	t.Parallel()
	m := loadModel(t, openDevice(t, "cpu", compute.Options{}), variants["zero decoders"].open(t))
	for _, batch := range []tokens.Packed{{}, {Offsets: []int32{0}}} {
		out, err := m.Forward(t.Context(), batch, everything(m))
		require.NoError(t, err)
		for part, numbers := range outputs(out) {
			require.Empty(t, numbers, part)
		}
		require.NoError(t, m.AttentionScores(t.Context(), batch, Options{}, func(int, []float32) error {
			return errors.New("called")
		}))
	}
	genes, err := m.GeneEmbeddings(nil)
	require.NoError(t, err)
	require.Empty(t, genes)
}

func TestForwardRefuses(t *testing.T) {
	t.Parallel()
	dev := newProbe(t, "cpu")
	plain := loadModel(t, dev, small.open(t))
	category := loadModel(t, dev, variants["category"].open(t))
	domains := loadModel(t, dev, variants["domains"].open(t))
	batch := func(change func(*tokens.Packed)) tokens.Packed {
		b := randomCells(1, small.Vocab, 4, 3)
		change(&b)
		return b
	}
	same := batch(func(*tokens.Packed) {})
	nan := float32(math.NaN())
	for name, test := range map[string]struct {
		model *Model
		batch tokens.Packed
		opts  Options
		want  string
	}{
		"id too large":          {plain, batch(func(b *tokens.Packed) { b.IDs[5] = 60 }), Options{}, "batch: ids[5] = 60, but the vocabulary has 60 tokens"},
		"negative id":           {plain, batch(func(b *tokens.Packed) { b.IDs[2] = -1 }), Options{}, "ids[2] = -1"},
		"few values":            {plain, batch(func(b *tokens.Packed) { b.Values = b.Values[:6] }), Options{}, "7 ids and 6 values"},
		"no offsets":            {plain, batch(func(b *tokens.Packed) { b.Offsets = nil }), Options{}, "7 tokens without offsets"},
		"short offsets":         {plain, batch(func(b *tokens.Packed) { b.Offsets[2] = 6 }), Options{}, "offsets from 0 to 6 for 7 tokens"},
		"late offsets":          {plain, batch(func(b *tokens.Packed) { b.Offsets[0] = 1 }), Options{}, "offsets from 1 to 7"},
		"cell without tokens":   {plain, batch(func(b *tokens.Packed) { b.Offsets[1] = 0 }), Options{}, "cell 0 has no tokens"},
		"falling offsets":       {plain, batch(func(b *tokens.Packed) { b.Offsets[1] = 9 }), Options{}, "cell 1 has no tokens"},
		"NaN":                   {plain, batch(func(b *tokens.Packed) { b.Values[3] = nan }), Options{}, "values[3] = NaN"},
		"infinite":              {plain, batch(func(b *tokens.Packed) { b.Values[3] = float32(math.Inf(1)) }), Options{}, "values[3] = +Inf"},
		"category too large":    {category, batch(func(b *tokens.Packed) { b.Values[6] = 53 }), Options{}, "values[6] = 53, but the value table has the rows 0 to 52"},
		"category below 0":      {category, batch(func(b *tokens.Packed) { b.Values[6] = -2 }), Options{}, "values[6] = -2"},
		"category between":      {category, batch(func(b *tokens.Packed) { b.Values[6] = 1.5 }), Options{}, "values[6] = 1.5"},
		"category enormous":     {category, batch(func(b *tokens.Packed) { b.Values[6] = 1e30 }), Options{}, "values[6] = 1e+30"},
		"pooling":               {plain, same, Options{Pooling: "max"}, `pooling "max"; known: cls, avg-pool, w-pool`},
		"domain of none":        {plain, same, Options{Domain: 1}, "domain 1, but the model has 0"},
		"domain too large":      {domains, same, Options{Domain: 3}, "domain 3, but the model has 3"},
		"negative domain":       {domains, same, Options{Domain: -1}, "domain -1"},
		"no expression decoder": {plain, same, Options{Expression: true}, "no expression decoder"},
		"no zero decoder":       {plain, same, Options{ZeroProbs: true}, "no zero-probability decoder"},
		"no MVC decoder":        {plain, same, Options{MVC: true}, "no MVC decoder"},
		"no discriminator":      {plain, same, Options{DomainLogits: true}, "no discriminator"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.model.Forward(t.Context(), test.batch, test.opts)
			requireInvalid(t, err, test.want)
		})
	}
	visit := func(int, []float32) error { return nil }
	requireInvalid(t, domains.AttentionScores(t.Context(), same, Options{Domain: 3}, visit), "domain 3")
	requireInvalid(t, plain.AttentionScores(t.Context(), batch(func(b *tokens.Packed) { b.IDs[0] = 99 }), Options{}, visit), "ids[0] = 99")
	_, err := plain.GeneEmbeddings([]int32{1, 60})
	requireInvalid(t, err, "genes: ids[1] = 60, but the vocabulary has 60 tokens")
	_, err = plain.GeneEmbeddings([]int32{-1})
	requireInvalid(t, err, "ids[0] = -1")
}

func requireInvalid(t *testing.T, err error, want string) {
	t.Helper()
	require.ErrorContains(t, err, want)
	var typed interface{ ErrorType() string }
	require.ErrorAs(t, err, &typed)
	require.Equal(t, "InvalidDataError", typed.ErrorType())
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	ck := small.open(t)
	dev, err := compute.Open("cpu", compute.Options{})
	require.NoError(t, err)
	require.NoError(t, dev.Close())
	_, err = Load(dev, ck)
	require.Error(t, err, "a closed device")

	require.NoError(t, ck.Close())
	_, err = Load(newProbe(t, "cpu"), ck)
	requireInvalid(t, err, "encoder.embedding.weight")
}

// Wherever the device fails, in Load or in Forward, the error comes back and
// nothing stays on the device.
func TestFailuresLeaveNothing(t *testing.T) {
	t.Parallel()
	s := variants["labels, domains"]
	s.Zero, s.Layers = true, 1
	ck := s.open(t)
	batch := randomCells(1, s.Vocab, 5, 3)
	batch.Values[1] = 0.5 // a table of the batch's own
	failure := errors.New("the device broke")
	fail := func() error { return failure }

	dev := newProbe(t, "cpu")
	m, err := Load(dev, ck)
	require.NoError(t, err)
	loading := dev.operations.Load()
	weights := dev.alive.Load()
	_, err = m.Forward(t.Context(), batch, everything(m))
	require.NoError(t, err)
	require.Equal(t, weights, dev.alive.Load(), "after Forward the weights alone stay")
	whole := dev.operations.Load()
	require.NoError(t, m.AttentionScores(t.Context(), batch, Options{}, func(int, []float32) error { return nil }))
	require.Equal(t, weights, dev.alive.Load(), "after AttentionScores")
	scored := dev.operations.Load()
	require.ErrorIs(t, m.AttentionScores(t.Context(), batch, Options{}, func(int, []float32) error { return failure }), failure)
	require.Equal(t, weights, dev.alive.Load(), "after visit failed")

	dev.hook = fail
	for at := range whole - loading {
		dev.operations.Store(0)
		dev.at = at + 1
		_, err := m.Forward(t.Context(), batch, everything(m))
		require.ErrorIs(t, err, failure, "operation %d", at)
		require.Equal(t, weights, dev.alive.Load(), "operation %d of Forward", at)
	}
	for at := range scored - whole {
		dev.operations.Store(0)
		dev.at = at + 1
		err := m.AttentionScores(t.Context(), batch, Options{}, func(int, []float32) error { return nil })
		require.ErrorIs(t, err, failure, "operation %d", at)
		require.Equal(t, weights, dev.alive.Load(), "operation %d of AttentionScores", at)
	}
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	require.Zero(t, dev.alive.Load(), "after Close")
	for at := range loading {
		dev.operations.Store(0)
		dev.at = at + 1
		_, err := Load(dev, ck)
		require.ErrorIs(t, err, failure, "operation %d", at)
		require.Zero(t, dev.alive.Load(), "operation %d of Load", at)
	}
}

func TestCancellation(t *testing.T) {
	t.Parallel()
	dev := newProbe(t, "cpu")
	m := loadModel(t, dev, small.open(t))
	batch := randomCells(1, small.Vocab, 5, 3)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	dev.operations.Store(0)
	dev.at, dev.hook = 9, func() error { cancel(cause); return nil }
	_, err := m.Forward(ctx, batch, Options{})
	require.ErrorIs(t, err, cause)
	_, err = m.Forward(ctx, batch, Options{})
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, m.AttentionScores(ctx, batch, Options{}, nil), cause)
	_, err = m.Forward(t.Context(), batch, Options{})
	require.NoError(t, err)
}

func TestConcurrentForward(t *testing.T) {
	t.Parallel()
	m := loadModel(t, newProbe(t, "cpu"), variants["category"].open(t))
	const callers = 5
	var want, got [callers]*Output
	var errs [callers]error
	for i := range callers {
		out, err := m.Forward(t.Context(), randomCells(uint64(i), m.VocabSize(), 30, 11+i), Options{})
		require.NoError(t, err)
		want[i] = out
	}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			got[i], errs[i] = m.Forward(t.Context(), randomCells(uint64(i), m.VocabSize(), 30, 11+i), Options{})
		})
	}
	wg.Wait()
	for i := range callers {
		require.NoError(t, errs[i])
		require.Equal(t, want[i], got[i])
	}
}

func TestAccessors(t *testing.T) {
	t.Parallel()
	dev := openDevice(t, "cpu", compute.Options{})
	m := loadModel(t, dev, small.open(t))
	require.Equal(t, dev.Class(), m.Class())
	require.Equal(t, dev.BatchTokens(), m.BatchTokens())
	require.EqualValues(t, 4*100*(6*24+40), m.BatchBytes(100))
}

func TestPieces(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		lengths []int32
		limit   int
		want    [][2]int
	}{
		{nil, 50, nil},
		{[]int32{30}, 50, [][2]int{{0, 1}}},
		{[]int32{90}, 50, [][2]int{{0, 1}}},
		{[]int32{30, 20, 10}, 50, [][2]int{{0, 2}, {2, 3}}},
		{[]int32{30, 90, 10, 10}, 50, [][2]int{{0, 1}, {1, 2}, {2, 4}}},
		{[]int32{1, 1, 1}, 0, [][2]int{{0, 1}, {1, 2}, {2, 3}}},
		// Each counts for cellTokens.
		{[]int32{1, 1, 1, 1}, 3 * cellTokens, [][2]int{{0, 3}, {3, 4}}},
	} {
		offsets := []int32{0}
		for _, n := range test.lengths {
			offsets = append(offsets, offsets[len(offsets)-1]+n)
		}
		var got [][2]int
		for from := 0; from < len(test.lengths); {
			to := pieceEnd(offsets, from, test.limit)
			got = append(got, [2]int{from, to})
			from = to
		}
		require.Equal(t, test.want, got, "%v at %d", test.lengths, test.limit)
	}
}

// Cells that do not fit into memory together go in smaller batches, also those
// after them, and have the same bytes. Later, larger ones are tried again.
func TestSmallerBatchesWhenMemoryIsShort(t *testing.T) {
	t.Parallel()
	dev := newProbe(t, "cpu")
	m := loadModel(t, dev, small.open(t))
	batch := randomCells(1, small.Vocab, 40, 3, 30, 2, 7, 8, 9)
	want, err := m.Forward(t.Context(), batch, Options{})
	require.NoError(t, err)

	dev.rows = 45
	got, err := m.Forward(t.Context(), batch, Options{})
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Less(t, m.BatchTokens(), 60)
	require.Positive(t, dev.tooLarge)
	failed := dev.tooLarge
	_, err = m.Forward(t.Context(), batch, Options{})
	require.NoError(t, err)
	require.Equal(t, failed, dev.tooLarge, "no batch is tried that is too large")

	dev.rows = 0
	for m.BatchTokens() < dev.BatchTokens() {
		before := m.BatchTokens()
		for range triesBeforeGrowth {
			_, err = m.Forward(t.Context(), batch, Options{})
			require.NoError(t, err)
		}
		require.Greater(t, m.BatchTokens(), before)
	}

	dev.rows = 20
	_, err = m.Forward(t.Context(), batch, Options{})
	var full *compute.OutOfMemoryError
	require.ErrorAs(t, err, &full, "the cell of 40 tokens fits nowhere")
	require.ErrorContains(t, err, "cells 0 to 0")
}
