package engine_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// clouds are points of three groups, each apart from the others.
func clouds(n int) neighbors.Matrix {
	m := neighbors.Matrix{Rows: n, Cols: 4, Data: make([]float32, 0, 4*n)}
	state := uint32(11)
	for i := range n {
		for j := range m.Cols {
			state = state*1664525 + 1013904223
			v := float32(state>>16) / 65536
			if j == i%3 {
				v += 3
			}
			m.Data = append(m.Data, v)
		}
	}
	return m
}

// each gives every row a text.
func each(n int, text func(row int) string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = text(i)
	}
	return out
}

func group(i int) string { return fmt.Sprint("type ", i%3) }
func half(i int) string  { return []string{"a", "b"}[i/3%2] }

// What is measured of all cells, of those with a type, or not at all.
func TestMeasure(t *testing.T) {
	t.Parallel()
	three := func(i int) string { return []string{"a", "b", "query"}[i/3%3] }
	rare := func(i int) string { // of 20,000 every fourth is taken
		if i == 7 || i == 9 {
			return "small"
		}
		return "big"
	}
	for _, c := range []struct {
		name         string
		cells        int
		batch, typed func(int) string // typed is nil for cells without types
		measured     int              // cells; 0 where batches are not
		types        bool
		warnings     []string
	}{
		{"all typed", 300, half, group, 300, true, nil},
		{"no types", 300, half, nil, 300, false, nil},
		{"a typed reference, a query without", 300, half, only(half, "a"), 300, true, []string{
			"batches are measured over all cells, not within types: no type has cells of two batches and more cells than batches",
			"how well types keep apart is measured on the 150 of 300 cells that have a type",
		}},
		{"two typed references, a query without", 450, three, only(three, "a", "b"), 300, true, []string{
			"how well types keep apart is measured on the 300 of 450 cells that have a type",
			`batches are measured within types, so without those whose cells have none: "query"`,
		}},
		{"a column of types that holds none", 300, half, func(int) string { return "" }, 300, false, []string{
			"how well types keep apart cannot be measured: 0 cells have a type, want at least 3",
		}},
		{"one type", 300, half, func(int) string { return "T" }, 300, false, []string{
			"how well types keep apart cannot be measured: all 300 cells have the same label, but a silhouette needs two",
		}},
		{"a batch between the cells that are taken", 20_000, rare, nil, 5000, false, nil},
		{"one batch", 300, func(int) string { return "a" }, nil, 0, false, []string{
			"how batches mix cannot be measured: no type has cells of two batches and more cells than batches",
		}},
		{"two cells", 2, func(i int) string { return fmt.Sprint(i) }, nil, 0, false, []string{
			"how batches mix cannot be measured: there are 2 cells, want at least 3",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var types []string
			if c.typed != nil {
				types = each(c.cells, c.typed)
			}
			m, err := engine.Measure(t.Context(), clouds(c.cells), each(c.cells, c.batch), types, 2)
			require.NoError(t, err)
			require.Equal(t, c.measured, m.Cells)
			require.Equal(t, c.measured > 0, m.Batch != nil)
			require.Equal(t, c.types, m.Types != nil)
			require.Equal(t, c.warnings, m.Warnings)
		})
	}
	broken := clouds(300)
	broken.Data[17] = float32(math.NaN())
	_, err := engine.Measure(t.Context(), broken, each(300, half), nil, 2)
	require.ErrorContains(t, err, "NaN", "what is not the cells' doing is an error")
}

// only leaves types to the cells of some batches.
func only(batch func(int) string, names ...string) func(int) string {
	return func(i int) string {
		if slices.Contains(names, batch(i)) {
			return group(i)
		}
		return ""
	}
}

// The numbers of cells that were measured before batches could be missed.
func TestMeasureNumbers(t *testing.T) {
	t.Parallel()
	m, err := engine.Measure(t.Context(), clouds(300), each(300, half), each(300, group), 2)
	require.NoError(t, err)
	require.InDelta(t, 0.9454116620173977, m.Batch.ASW, 1e-12)
	require.InDelta(t, 0.9690352259813317, m.Types.Avg, 1e-12)
	m, err = engine.Measure(t.Context(), clouds(5200), each(5200, half), nil, 2)
	require.NoError(t, err)
	require.Equal(t, engine.MaxMeasured, m.Cells)
	require.InDelta(t, 0.9738466834986013, m.Batch.ASW, 1e-12)
	require.InDelta(t, 0.3334, m.Batch.Connectivity, 1e-12)
}
