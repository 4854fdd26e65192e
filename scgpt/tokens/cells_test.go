package tokens_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// cells are the rows of a file of real cells, with its genes matched to the
// vocabulary of the small model.
type cells struct {
	genes *tokens.GeneMap
	vocab *checkpoint.Vocab
	block *anndata.Block
}

func openCells(t *testing.T, name string) cells {
	t.Helper()
	ck, err := checkpoint.Open(testdata + "models/tiny_scgpt")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })
	f, err := anndata.Open(testdata + "cells/" + name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })

	names, err := f.Var().Index()
	require.NoError(t, err)
	genes, err := tokens.Match(names, ck.Vocab(), tokens.MatchOptions{})
	require.NoError(t, err)
	x, err := f.X()
	require.NoError(t, err)
	block, err := x.Rows(t.Context(), 0, f.NObs())
	require.NoError(t, err)
	return cells{genes: genes, vocab: ck.Vocab(), block: block}
}

// tokenize returns the tokens of some cells.
func (c cells) tokenize(t *testing.T, o tokens.Options, rows []int32) tokens.Packed {
	t.Helper()
	tok, err := tokens.New(c.genes, o)
	require.NoError(t, err)
	var dst tokens.Packed
	for _, row := range rows {
		indices, values := c.block.Row(int(row))
		_, err := tok.Append(&dst, int(row), indices, values)
		require.NoError(t, err)
	}
	return dst
}

// requirePadded compares packed cells with upstream's padded ones.
func requirePadded(t *testing.T, got tokens.Packed, ids []int32, values []float32, width int, pad int32) {
	t.Helper()
	require.Len(t, ids, got.Cells()*width)
	for cell := range got.Cells() {
		from, to := got.Offsets[cell], got.Offsets[cell+1]
		row := ids[cell*width : (cell+1)*width]
		n := int(to - from)
		require.Equal(t, row[:n], got.IDs[from:to], "ids of cell %d", cell)
		require.Equal(t, values[cell*width:][:n], got.Values[from:to], "values of cell %d", cell)
		for _, id := range row[n:] {
			require.Equal(t, pad, id, "upstream has more tokens in cell %d", cell)
		}
	}
}

func TestFineTuneEqualsUpstream(t *testing.T) {
	t.Parallel()
	c, g := openCells(t, "pbmc68k_test.h5ad"), openGoldens(t, "annotation")
	width := g.shape("token_ids")[1]
	for _, ties := range []tokens.Ties{tokens.TiesLeft, tokens.TiesMid} {
		o := tokens.FineTune(c.vocab.CLS())
		o.Ties = ties
		got := c.tokenize(t, o, g.int32("cell_index_in_test"))
		requirePadded(t, got, g.int32("token_ids"), g.float32("values_"+string(ties)), width, c.vocab.Pad())
	}
	// The mask says where upstream's padding is.
	mask := g.int32("padding_mask")
	kept := 0
	for _, padded := range mask {
		if padded == 0 {
			kept++
		}
	}
	require.Equal(t, kept, c.tokenize(t, tokens.FineTune(c.vocab.CLS()), g.int32("cell_index_in_test")).Tokens())
}

func TestZeroShotEqualsUpstream(t *testing.T) {
	t.Parallel()
	c, g := openCells(t, "pbmc68k_test.h5ad"), openGoldens(t, "embed_pbmc68k")
	width := g.shape("token_ids")[1]
	for _, ties := range []tokens.Ties{tokens.TiesLeft, tokens.TiesMid} {
		o := tokens.ZeroShot(c.vocab.CLS(), -2)
		o.Ties = ties
		got := c.tokenize(t, o, g.int32("cell_index_in_test"))
		requirePadded(t, got, g.int32("token_ids"), g.float32("values_"+string(ties)), width, c.vocab.Pad())
	}
}

// Raw counts, and cells of more genes than fit.
func TestLongCellsEqualUpstream(t *testing.T) {
	t.Parallel()
	c, g := openCells(t, "celltypist_sample.h5ad"), openGoldens(t, "embed_long_rawcounts")
	rows := g.int32("cell_index_in_celltypist")
	for k, want := range g.int32("n_tokens_full") {
		o := tokens.ZeroShot(c.vocab.CLS(), -2)
		o.MaxLength = -1
		require.EqualValues(t, want, c.tokenize(t, o, rows[k:k+1]).Tokens(), "cell %d", rows[k])
	}
	for _, golden := range []struct {
		row, maxLength int
		name           string
	}{{0, 1200, "1200_0"}, {2, 1200, "1200_2"}, {4, 1200, "1200_4"}, {0, 3003, "full_0"}} {
		o := tokens.ZeroShot(c.vocab.CLS(), -2)
		o.MaxLength, o.Cap = golden.maxLength, tokens.CapFirst
		got := c.tokenize(t, o, rows[golden.row:golden.row+1])
		require.Equal(t, g.int32("token_ids_"+golden.name), got.IDs)
		require.Equal(t, g.float32("values_mid_"+golden.name), got.Values)
	}
}

// The integration path: 300 chosen genes of each file, zeros kept.
func TestZeroGenesEqualUpstream(t *testing.T) {
	t.Parallel()
	g := openGoldens(t, "dsbn")
	ids := g.int32("token_ids")
	for batch, file := range []string{"pbmc68k_test.h5ad", "celltypist_sample.h5ad"} {
		c := openCells(t, file)
		// Upstream's columns are in the order of the chosen genes.
		column := map[int32]int32{}
		for i, id := range c.genes.IDs {
			if id >= 0 {
				column[id] = int32(i)
			}
		}
		chosen := &tokens.GeneMap{IDs: ids[1:]}
		o := tokens.FineTune(c.vocab.CLS())
		o.IncludeZeroGenes = true
		tok, err := tokens.New(chosen, o)
		require.NoError(t, err)

		prefix := string([]byte{'b', byte('0' + batch), '_'})
		var got tokens.Packed
		for _, row := range g.int32(prefix + "rows") {
			indices, values := c.block.Row(int(row))
			byColumn := map[int32]float32{}
			for k, i := range indices {
				byColumn[i] = values[k]
			}
			var chosenIndices []int32
			var chosenValues []float32
			for i, id := range chosen.IDs {
				if v := byColumn[column[id]]; v != 0 {
					chosenIndices = append(chosenIndices, int32(i))
					chosenValues = append(chosenValues, v)
				}
			}
			info, err := tok.Append(&got, int(row), chosenIndices, chosenValues)
			require.NoError(t, err)
			require.Equal(t, 300, info.Genes)
		}
		values := g.float32(prefix + "values")
		require.Equal(t, values, got.Values)
		for cell := range got.Cells() {
			require.Equal(t, ids, got.IDs[cell*301:(cell+1)*301])
		}
	}
}

// Real cells of up to 2,610 genes under a cap.
func TestCapOnLongCells(t *testing.T) {
	t.Parallel()
	c := openCells(t, "celltypist_sample.h5ad")
	o := tokens.ZeroShot(c.vocab.CLS(), -2)
	whole, err := tokens.New(c.genes, func() tokens.Options { o := o; o.MaxLength = -1; return o }())
	require.NoError(t, err)
	capped, err := tokens.New(c.genes, o)
	require.NoError(t, err)
	truncated, longest := 0, 0
	for row := range c.block.NRows() {
		indices, values := c.block.Row(row)
		var all, some tokens.Packed
		full, err := whole.Append(&all, row, indices, values)
		require.NoError(t, err)
		info, err := capped.Append(&some, row, indices, values)
		require.NoError(t, err)
		longest = max(longest, full.Tokens)
		require.Equal(t, full.Genes, info.Genes)
		if !info.Truncated {
			require.Equal(t, all, some)
			continue
		}
		truncated++
		require.Equal(t, 1200, info.Tokens)
		// What is kept is a part of the whole, in its order, with its bins.
		at := 0
		for i, id := range some.IDs {
			for all.IDs[at] != id {
				at++
			}
			require.Equal(t, all.Values[at], some.Values[i])
		}
	}
	require.Equal(t, 2611, longest)
	require.Greater(t, truncated, 189, "cells of more than 1,400 genes alone are 189")
}
