package tokens_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

var vocab = vocabulary{"CD3D", "CD8A", "LYZ", "TP53", "AC012345.1", "ENSG00000000009", "<pad>", "<cls>", "<eoc>"}

func TestMatch(t *testing.T) {
	t.Parallel()
	ensembl := map[string]string{"ENSG00000141510": "TP53", "ENSG00000000001": "<cls>"}
	for name, tc := range map[string]struct {
		genes   []string
		options tokens.MatchOptions
		ids     []int32
		report  tokens.Report
	}{
		"names": {
			genes:  []string{"LYZ", "CD3D", "AC012345.1"},
			ids:    []int32{2, 0, 4},
			report: tokens.Report{Total: 3, Matched: 3, Share: 1},
		},
		"unmatched": {
			genes:  []string{"LYZ", "nothing"},
			ids:    []int32{2, -1},
			report: tokens.Report{Total: 2, Matched: 1, Share: 0.5, UnmatchedCount: 1, Unmatched: []string{"nothing"}},
		},
		"first of duplicates": {
			genes: []string{"LYZ", "CD3D", "LYZ"},
			ids:   []int32{2, 0, -1},
			report: tokens.Report{Total: 3, Matched: 2, Share: 2.0 / 3, DuplicateCount: 1,
				Duplicates: []tokens.Duplicate{{Gene: "LYZ", Used: 0, Column: 2}}},
		},
		"specials are no genes": {
			genes:   []string{"<cls>", "<pad>", "<eoc>", "", "LYZ"},
			options: tokens.MatchOptions{MinShare: 0.2},
			ids:     []int32{-1, -1, -1, -1, 2},
			report:  tokens.Report{Total: 5, Matched: 1, Share: 0.2, UnmatchedCount: 4, Unmatched: []string{"<cls>", "<pad>", "<eoc>", ""}},
		},
		"another padding token": {
			genes:   []string{"CD3D", "LYZ"},
			options: tokens.MatchOptions{PadToken: "CD3D"},
			ids:     []int32{-1, 2},
			report:  tokens.Report{Total: 2, Matched: 1, Share: 0.5, UnmatchedCount: 1, Unmatched: []string{"CD3D"}},
		},
		"symbols": {
			genes:   []string{"g1", "LYZ", "g3"},
			options: tokens.MatchOptions{Symbols: []string{"CD8A", "CD3D", ""}},
			ids:     []int32{1, 2, -1},
			report:  tokens.Report{Total: 3, Matched: 2, Share: 2.0 / 3, UnmatchedCount: 1, Unmatched: []string{"g3"}, MappedFromSymbols: 1},
		},
		"Ensembl table": {
			genes:   []string{"ENSG00000141510.16", "ENSG00000000001", "LYZ"},
			options: tokens.MatchOptions{Ensembl: ensembl},
			ids:     []int32{3, -1, 2},
			report: tokens.Report{Total: 3, Matched: 2, Share: 2.0 / 3, UnmatchedCount: 1, Unmatched: []string{"ENSG00000000001"},
				MappedFromEnsembl: 1, EnsemblIDs: 1},
		},
		"Ensembl id as symbol": {
			genes:   []string{"g1"},
			options: tokens.MatchOptions{Symbols: []string{"ENSG00000141510"}, Ensembl: ensembl},
			ids:     []int32{3},
			report:  tokens.Report{Total: 1, Matched: 1, Share: 1, MappedFromEnsembl: 1},
		},
		"Ensembl id that is a token": {
			genes:  []string{"ENSG00000000009.3_PAR_Y"},
			ids:    []int32{5},
			report: tokens.Report{Total: 1, Matched: 1, Share: 1},
		},
		"any share": {
			genes:   []string{"Lyz"},
			options: tokens.MatchOptions{MinShare: -1},
			ids:     []int32{-1},
			report:  tokens.Report{Total: 1, UnmatchedCount: 1, Unmatched: []string{"Lyz"}, OtherCase: 1},
		},
		"no genes": {
			genes:   []string{},
			options: tokens.MatchOptions{MinShare: -1},
			ids:     []int32{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := tokens.Match(tc.genes, vocab, tc.options)
			require.NoError(t, err)
			require.Equal(t, tc.ids, g.IDs)
			require.Equal(t, tc.report, g.Report)
			require.Len(t, g.Names, len(tc.genes))
		})
	}
}

func TestMatchRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		genes   []string
		options tokens.MatchOptions
		want    string
	}{
		"too few":    {[]string{"LYZ", "a", "b"}, tokens.MatchOptions{}, `only 1 of 3 genes (33.3 %) are in the model's vocabulary, less than 50.0 %; not found: "a", "b"; name the column of var with the gene symbols (gene_column, --gene-column), or lower the least share of matched genes (min_gene_share, --min-gene-share) to 0.333`},
		"Ensembl":    {[]string{"ENSG00000141510.2"}, tokens.MatchOptions{}, "1 of the names are Ensembl ids"},
		"mouse":      {[]string{"Lyz"}, tokens.MatchOptions{}, "symbols are case-sensitive"},
		"no genes":   {nil, tokens.MatchOptions{}, "only 0 of 0 genes"},
		"own share":  {[]string{"LYZ", "a"}, tokens.MatchOptions{MinShare: 0.6}, "less than 60.0 %"},
		"many names": {[]string{"a", "b", "c", "d", "e", "f"}, tokens.MatchOptions{}, `"e", …`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tokens.Match(tc.genes, vocab, tc.options)
			require.ErrorContains(t, err, tc.want)
			var typed interface{ ErrorType() string }
			require.ErrorAs(t, err, &typed)
			require.Equal(t, "InvalidDataError", typed.ErrorType())
		})
	}
	_, err := tokens.Match([]string{"LYZ"}, vocab, tokens.MatchOptions{Symbols: []string{}})
	require.ErrorContains(t, err, "0 gene symbols for 1 genes")
	_, err = tokens.Match([]string{"LYZ"}, vocab, tokens.MatchOptions{MinShare: 1.5})
	require.ErrorContains(t, err, "a least share of 1.5")
}

func TestMatchListsAreBounded(t *testing.T) {
	t.Parallel()
	var genes []string
	for i := range 500 {
		genes = append(genes, fmt.Sprintf("g%d", i), "LYZ")
	}
	g, err := tokens.Match(genes, vocab, tokens.MatchOptions{MinShare: -1})
	require.NoError(t, err)
	require.Equal(t, 500, g.Report.UnmatchedCount)
	require.Len(t, g.Report.Unmatched, 100)
	require.Equal(t, 499, g.Report.DuplicateCount)
	require.Len(t, g.Report.Duplicates, 100)
}
