package foogpt

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func table(t *testing.T) markerTable {
	t.Helper()
	m, err := parseMarkers(markersFile)
	require.NoError(t, err)
	return m
}

func TestMarkers(t *testing.T) {
	t.Parallel()
	m := table(t)
	require.NotEmpty(t, m)
	seen := map[string]cellType{}
	for _, c := range m {
		require.NotEmpty(t, c.name)
		require.NotContains(t, seen, c.name, "type listed twice")
		require.NotEmpty(t, c.genes, c.name)
		require.NotEmpty(t, c.source, c.name)
		genes := slices.Concat(c.genes, c.inherited)
		for i, g := range genes {
			require.Equal(t, strings.ToUpper(g), g, c.name)
			require.NotContains(t, genes[:i], g, "%s: gene listed twice, here or for a parent", c.name)
		}
		for _, p := range c.parents {
			// A subtype lives where its parents do.
			require.True(t, len(seen[p].tissues) == 0 || len(c.tissues) > 0, c.name)
			for _, tissue := range c.tissues {
				require.True(t, len(seen[p].tissues) == 0 || slices.Contains(seen[p].tissues, tissue), c.name)
			}
		}
		seen[c.name] = c
	}
	require.ElementsMatch(t, []string{"blood", "bone marrow", "lung", "liver"}, m.tissues())
	require.Equal(t, []string{"CD8 T cell", "T cell"}, seen["cytotoxic CD8 T cell"].parents)
	require.Subset(t, seen["cytotoxic CD8 T cell"].inherited, []string{"CD8A", "CD3D"})
}

func TestTissue(t *testing.T) {
	t.Parallel()
	names := func(m markerTable) (names []string) {
		for _, c := range m {
			names = append(names, c.name)
		}
		return names
	}
	m := table(t)
	blood := names(m.in("Blood"))
	require.Subset(t, blood, []string{"B cell", "hematopoietic progenitor"})
	require.NotContains(t, blood, "fibroblast")
	require.Subset(t, names(m.in("lung")), []string{"B cell", "fibroblast", "alveolar type 1 cell"})
	require.NotContains(t, names(m.in("lung")), "hepatocyte")
	require.Empty(t, m.in("kidney"))
}

func TestParseMarkersErrors(t *testing.T) {
	t.Parallel()
	const header = "cell_type\tparent\ttissues\tgenes\tsources\n"
	for name, c := range map[string]struct{ file, want string }{
		"empty":       {"", "markers.tsv: header: EOF"},
		"columns":     {header + "B cell\tCD79A\n", "markers.tsv: record on line 2: wrong number of fields"},
		"late parent": {header + "B1\tB\tany\tX\tS\nB\t-\tany\tY\tS\n", `markers.tsv: B1: its parent "B" does not stand above it`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseMarkers(c.file)
			require.EqualError(t, err, c.want)
		})
	}
}
