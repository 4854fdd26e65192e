package report

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfusionHasFrequentTypesFirst(t *testing.T) {
	t.Parallel()
	s := score([]string{"NK", "B", "B", "", "B", "T"}, []string{"NK", "B", "T", "x", "B", "T"})
	require.Equal(t, 5, s.Cells)
	g := s.confusion()
	require.Equal(t, []string{"B", "T", "NK"}, g.Columns)
	require.Equal(t, "B", g.Rows[0].Name)
	require.Equal(t, "3", g.Rows[0].Total)
	require.Equal(t, gridCell{Text: "2", Class: "q13 diagonal", Title: "2 of 3 B labelled B (67 %)"}, g.Rows[0].Cells[0])
	require.Equal(t, gridCell{Text: "1", Class: "q7", Title: "1 of 3 B labelled T (33 %)"}, g.Rows[0].Cells[1])
	require.Empty(t, g.Rows[0].Cells[2].Text)
	require.Nil(t, score([]string{"", ""}, []string{"B", "B"}), "no cell has a true type")
}

// Genes of two kinds in turn are put beside their like.
func TestSeriatePutsLikeBesideLike(t *testing.T) {
	t.Parallel()
	const n = 10
	cosine := make([]float32, n*n)
	for i := range n {
		for j := range n {
			cosine[i*n+j] = 0.1
			if i%2 == j%2 {
				cosine[i*n+j] = 0.9
			}
		}
	}
	order := seriate(cosine, n)
	require.Len(t, order, n)
	changes := 0
	for i := 1; i < n; i++ {
		if order[i]%2 != order[i-1]%2 {
			changes++
		}
	}
	require.Equal(t, 1, changes)
	require.Empty(t, seriate(nil, 0))
	require.Equal(t, []int{0}, seriate([]float32{1}, 1))
}

func TestNumbersAsTexts(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		require.Equal(t, want, thousands(n))
	}
	for v, want := range map[float64]string{0: "0", 0.004: "0", -0.004: "0", 0.25: ".25", -0.25: "−.25", 1: "1.00", -1: "−1.00"} {
		require.Equal(t, want, shortNumber(v))
	}
}

func TestDrawnIsEvenlySpaced(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{0, 1, 2}, Drawn(3))
	many := Drawn(250_001)
	require.Len(t, many, MaxPoints)
	require.Equal(t, 0, many[0])
	require.Less(t, many[MaxPoints-1], 250_001)
	for i := 1; i < len(many); i++ {
		step := many[i] - many[i-1]
		require.True(t, step == 2 || step == 3)
	}
}

func TestTurnedFillsTheScreen(t *testing.T) {
	t.Parallel()
	upright := []float32{0, -9, 0, 9, 1, 0, -1, 0}
	low, high := bounds(turned(upright))
	require.Greater(t, high[0]-low[0], 10.0)
	require.Greater(t, high[0]-low[0], high[1]-low[1])
	require.Equal(t, []float32{2, 3}, turned([]float32{2, 3}), "one cell stays where it is")
}

func TestNewLayoutKeepsShape(t *testing.T) {
	t.Parallel()
	l := newLayout("", "", []float32{0, 0, 4, 2})
	require.InDelta(t, 1, l.Width, 1e-9)
	require.InDelta(t, 0.5, l.Height, 1e-9)
	require.Equal(t, encode([]uint16{0, 16384, math.MaxUint16, 49151}), l.Points)
}
