package engine_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

// someCounts are 80 cells of celltypist's sample, with 700 of its genes.
func someCounts(t *testing.T) (genes []string, cells [][]float32) {
	t.Helper()
	f, err := anndata.Open(celltypist)
	require.NoError(t, err)
	defer f.Close()
	genes, err = f.Var().Index()
	require.NoError(t, err)
	x, err := f.X()
	require.NoError(t, err)
	b, err := x.Rows(t.Context(), 0, 80)
	require.NoError(t, err)
	for i := range b.NRows() {
		row := make([]float32, 700)
		columns, values := b.Row(i)
		for k, c := range columns {
			if c < 700 {
				row[c] = values[k]
			}
		}
		cells = append(cells, row)
	}
	return genes[:700], cells
}

// corrected makes counts what a tool leaves that corrects for ambient RNA.
func corrected(row []float32) []float32 {
	out := make([]float32, len(row))
	for i, v := range row {
		out[i] = v * 0.875
	}
	return out
}

func logged(row []float32) []float32 {
	out := append([]float32(nil), row...)
	tokens.NormalizeTotal(out, tokens.DefaultTargetSum)
	tokens.Log1p(out)
	return out
}

func texts(row []float32) []string {
	out := make([]string, len(row))
	for i, v := range row {
		if v != 0 {
			out[i] = fmt.Sprint(v)
		}
	}
	return out
}

const amountsWarning = "the values of X are not all whole, but some are above 30, which logarithms do not reach: they are taken for counts, and log-normalised where that matters; if a part is log-normalised already, bring all to one scale first"

// The choice of genes, and whatever wants log-normalised values, take the same
// values for the same.
func TestAmounts(t *testing.T) {
	t.Parallel()
	eng := load(t, "tiny_scgpt", compute.Options{})
	genes, counts := someCounts(t)
	gene := 0 // that is expressed most
	for i := range genes {
		if counts[0][i] > counts[0][gene] {
			gene = i
		}
	}
	require.Greater(t, counts[0][gene], float32(40))
	same := func(row []float32) []float32 { return row }
	for _, c := range []struct {
		name      string
		empty     int // cells without any value before the others
		of        func(cell int) func([]float32) []float32
		counts    bool
		corrected bool
	}{
		{"counts", 0, func(int) func([]float32) []float32 { return same }, true, false},
		{"log-normalised", 0, func(int) func([]float32) []float32 { return logged }, false, false},
		{"log-normalised after empty cells", 300, func(int) func([]float32) []float32 { return logged }, false, false},
		{"corrected counts", 0, func(int) func([]float32) []float32 { return corrected }, true, true},
		{"corrected counts after whole ones", 0, func(cell int) func([]float32) []float32 {
			if cell < 60 {
				return same
			}
			return corrected
		}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows := make([][]string, c.empty)
			for i := range rows {
				rows[i] = make([]string, len(genes))
			}
			want := 0.0
			for i, row := range counts {
				row = c.of(i)(row)
				rows = append(rows, texts(row))
				if c.counts {
					row = logged(row)
				}
				want += float64(row[gene])
			}
			path := writeCells(t, "real", genes, rows...)
			cells := open(t, eng, path, engine.Options{Task: engine.Annotate, MinGeneShare: 0.1})
			require.Empty(t, cells.Warnings(nil))
			types := each(len(rows), func(i int) string { return map[bool]string{true: "T"}[i >= c.empty] })
			m, err := cells.Markers(t.Context(), []string{genes[gene]}, types)
			require.NoError(t, err)
			require.InDelta(t, want/float64(len(counts)), m.Mean[0][0], 1e-5)
			var warnings []string
			if c.corrected {
				warnings = []string{strings.Replace(amountsWarning, " X ", " matrix.mtx ", 1)}
			}
			require.Equal(t, warnings, cells.Warnings(nil))

			cells = open(t, eng, path, engine.Options{MinGeneShare: 0.1})
			choice, err := cells.ChooseGenes(t.Context(), engine.ChooseOptions{N: 50})
			require.NoError(t, err)
			require.Equal(t, map[bool]hvg.Flavor{true: hvg.SeuratV3, false: hvg.CellRanger}[c.counts], choice.Flavor)
			require.Equal(t, warnings, choice.Warnings)
			require.Equal(t, warnings, cells.Warnings(nil))
			all, err := cells.ChooseGenes(t.Context(), engine.ChooseOptions{N: choice.Candidates})
			require.NoError(t, err)
			require.Equal(t, warnings, all.Warnings)
		})
	}
}

// The components of corrected counts are those of their log-normalised values.
func TestPrincipalOfCorrectedCounts(t *testing.T) {
	t.Parallel()
	eng := load(t, "tiny_scgpt", compute.Options{})
	genes, counts := someCounts(t)
	principal := func(of func([]float32) []float32) []float32 {
		var rows [][]string
		for _, row := range counts {
			rows = append(rows, texts(of(row)))
		}
		x, err := open(t, eng, writeCells(t, "real", genes, rows...), engine.Options{MinGeneShare: 0.1}).Principal(t.Context(), 2)
		require.NoError(t, err)
		var first []float32 // later components are too alike to be compared
		for i := range x.Rows {
			first = append(first, x.Row(i)[:5]...)
		}
		return first
	}
	requireClose(t, principal(logged), principal(corrected), 1e-3)
}

func TestBaselineOfCorrectedCounts(t *testing.T) {
	t.Parallel()
	genes, counts := someCounts(t)
	var rows [][]string
	for _, row := range counts {
		rows = append(rows, texts(corrected(row)))
	}
	path := withBatches(t, writeCells(t, "real", genes, rows...), func(cell int) string { return []string{"A", "B"}[cell%2] })
	b, err := engine.NewBaseline(t.Context(), path, path, engine.BaselineOptions{LabelColumn: "batch"})
	require.NoError(t, err)
	require.Equal(t, []string{amountsWarning, "in the baseline's reference, " + amountsWarning}, b.Warnings)

	// A report says so once, in sentences.
	eng := load(t, "tiny_scgpt", compute.Options{})
	cells := open(t, eng, path, engine.Options{Task: engine.Annotate, MinGeneShare: 0.1})
	emb, err := cells.Embed(t.Context(), 0, cells.Len(), nil)
	require.NoError(t, err)
	labels, err := eng.Label(emb)
	require.NoError(t, err)
	r, err := cells.Report(t.Context(), emb, labels, engine.ReportOptions{Baseline: b, Genes: genes[:3]})
	require.NoError(t, err)
	require.Subset(t, r.Notes, []string{"T" + amountsWarning[1:] + ".", "In the baseline's reference, " + amountsWarning + "."})
}

// An error about a value names the gene and the cell that the file has it of,
// whatever columns were looked at.
func TestPlaceOfValues(t *testing.T) {
	t.Parallel()
	eng := load(t, "tiny_scgpt", compute.Options{})
	genes := []string{unknownGene, "CD3D", "OTHER", "LYZ", "NKG7", "CST3", "IL7R"}
	cells := func(field, value string) string {
		rows := make([][]string, 12)
		for i := range rows {
			rows[i] = []string{"1", fmt.Sprint(1 + i%4), "1", fmt.Sprint(1 + i*i%5), fmt.Sprint(1 + i%3), fmt.Sprint(2 + i*i%7), "1"}
		}
		rows[3][3] = value
		return writeCells(t, field, genes, rows...)
	}
	fraction := cells("real", "1.5")
	_, err := open(t, eng, fraction, engine.Options{}).ChooseGenes(t.Context(), engine.ChooseOptions{N: 2, Flavor: hvg.SeuratV3})
	require.EqualError(t, err, fraction+`: cell 3 ("CELL3"): gene "LYZ" (column 3): 1.5 is not a whole number; seurat_v3 is for counts, cell_ranger for log-normalised values`)
	requireInvalid(t, err)

	broken := withBatches(t, cells("real", "nan"), func(cell int) string { return []string{"A", "B"}[cell%2] })
	sound := withBatches(t, cells("integer", "1"), func(cell int) string { return []string{"A", "B"}[cell%2] })
	for name, c := range map[string]struct {
		reference, cells string
		genes            int
		want             string
	}{
		"choice of genes":      {broken, sound, 2, "NaN is not a finite number"},
		"principal components": {broken, sound, 0, "NaN, but values must be finite"},
		"cells to be labelled": {sound, broken, 0, "NaN, but values must be finite"},
		"and of chosen genes":  {sound, broken, 5, "NaN, but values must be finite"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := engine.NewBaseline(t.Context(), c.reference, c.cells, engine.BaselineOptions{LabelColumn: "batch", Genes: c.genes})
			require.EqualError(t, err, broken+`: cell 3 ("CELL3"): gene "LYZ" (column 3): `+c.want)
			requireInvalid(t, err)
		})
	}
	x, err := open(t, eng, sound, engine.Options{}).Principal(t.Context(), 1)
	require.NoError(t, err)
	requireFinite(t, x.Data)
	_, err = open(t, eng, broken, engine.Options{}).Principal(t.Context(), 1)
	require.EqualError(t, err, broken+`: cell 3 ("CELL3"): gene "LYZ" (column 3): NaN, but values must be finite`)
}

func requireInvalid(t *testing.T, err error) {
	t.Helper()
	var classed interface{ ErrorType() string }
	require.ErrorAs(t, err, &classed)
	require.Equal(t, "InvalidDataError", classed.ErrorType())
}

// A value that is none leaves the others of its cell what they are.
func TestMarkersBesideNaN(t *testing.T) {
	t.Parallel()
	eng := load(t, "tiny_scgpt", compute.Options{})
	genes := append([]string{unknownGene}, knownGenes...)
	cells := open(t, eng, writeCells(t, "real", genes, []string{"nan", "5", "3", "2"}, []string{"1", "4", "2"}), engine.Options{})
	m, err := cells.Markers(t.Context(), []string{"CD3E"}, []string{"T", "T"})
	require.NoError(t, err)
	require.InDelta(t, 1, m.Fraction[0][0], 0)
	require.InDelta(t, (math.Log1p(3e4/10)+math.Log1p(2e4/7))/2, m.Mean[0][0], 1e-5)
}
