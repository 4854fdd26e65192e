package projection_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/evaluate"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/projection"
)

// embedding reads one of the embeddings of real cells in testdata/umap.safetensors.
func embedding(tb testing.TB, name string) neighbors.Matrix {
	tb.Helper()
	f, err := safetensors.Open("testdata/umap.safetensors")
	require.NoError(tb, err)
	defer f.Close()
	x, ok := f.Tensor(name)
	require.True(tb, ok, name)
	values, err := x.Float32()
	require.NoError(tb, err)
	return neighbors.Matrix{Data: slices.Clone(values), Rows: x.Shape[0], Cols: x.Shape[1]}
}

// TestUMAPIsAsTrustworthyAsTheOriginal holds layouts of several seeds against the
// best one of umap-learn's; make_umap.py says how these were made.
func TestUMAPIsAsTrustworthyAsTheOriginal(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/umap.json")
	require.NoError(t, err)
	var originals map[string]map[string][]float64
	require.NoError(t, json.Unmarshal(data, &originals))
	require.Len(t, originals, 2)
	for name, starts := range originals {
		x := embedding(t, name)
		best := slices.Max(slices.Concat(starts["spectral"], starts["pca"]))
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				t.Parallel()
				layout, err := projection.UMAP(t.Context(), x, projection.UMAPOptions{Seed: seed})
				require.NoError(t, err)
				require.Equal(t, x.Rows, layout.Rows)
				require.Equal(t, 2, layout.Cols)
				require.NoError(t, layout.Check("layout"))
				got, err := evaluate.Trustworthiness(t.Context(), x, layout, 15, evaluate.Options{})
				require.NoError(t, err)
				t.Logf("trustworthiness %.4f, umap-learn's %.4f at best", got, best)
				require.Greater(t, got, best-0.02)
			})
		}
	}
}

// TestUMAPGivesTheSameBytes has a sum of the bytes that every processor must give.
func TestUMAPGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	x := embedding(t, "pbmc68k")
	sums := map[string]bool{}
	for _, threads := range []int{0, 1, 5} {
		layout, err := projection.UMAP(t.Context(), x, projection.UMAPOptions{Threads: threads, Epochs: 50})
		require.NoError(t, err)
		h := sha256.New()
		require.NoError(t, binary.Write(h, binary.LittleEndian, layout.Data))
		sums[hex.EncodeToString(h.Sum(nil))] = true
	}
	require.Equal(t, map[string]bool{"322f3190cf1a2e4d38f1e490d2e0846a2515bd89b2b8c1518487bc641ccd573f": true}, sums)
}

func TestUMAPKeepsKindsApart(t *testing.T) {
	t.Parallel()
	x := kinds(400, 20, 4)
	layout, err := projection.UMAP(t.Context(), x, projection.UMAPOptions{})
	require.NoError(t, err)
	types := make([]int, x.Rows)
	for i := range types {
		types[i] = i * 7 % 4
	}
	s, err := evaluate.Silhouette(t.Context(), layout, types, evaluate.Options{})
	require.NoError(t, err)
	require.Greater(t, evaluate.Mean(s), 0.7)
}

func TestUMAPOfFewOrEqualCells(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]neighbors.Matrix{
		"one cell":         matrix(3, 1, 2, 3),
		"two cells":        matrix(3, 1, 2, 3, 4, 5, 6),
		"three cells":      matrix(2, 1, 2, 3, 4, 5, 7),
		"one column":       matrix(1, 1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 22, 23),
		"equal cells":      matrix(2, make([]float32, 80)...),
		"two equal groups": matrix(1, slices.Concat(slices.Repeat([]float32{1}, 30), slices.Repeat([]float32{5}, 30))...),
		"huge":             matrix(1, 1e18, 2e18, -1e18, 0, 5e18),
		"tiny":             matrix(1, 1e-38, 2e-38, 3e-38, 1e-40, 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			layout, err := projection.UMAP(t.Context(), x, projection.UMAPOptions{})
			require.NoError(t, err)
			require.Equal(t, x.Rows, layout.Rows)
			require.NoError(t, layout.Check("layout"))
			for _, v := range layout.Data {
				require.Less(t, math.Abs(float64(v)), 1000.0)
			}
		})
	}
}

func TestUMAPBadInput(t *testing.T) {
	t.Parallel()
	good := normal(1, 30, 4)
	for _, tc := range []struct {
		x       neighbors.Matrix
		options projection.UMAPOptions
		want    string
	}{
		{neighbors.Matrix{Cols: 3}, projection.UMAPOptions{}, "x: 0 rows"},
		{matrix(1, 1, float32(math.NaN())), projection.UMAPOptions{}, "x[1,0]: NaN"},
		{good, projection.UMAPOptions{Neighbors: 1}, "options.Neighbors: 1"},
		{good, projection.UMAPOptions{Epochs: -1}, "options.Epochs: -1"},
		{good, projection.UMAPOptions{Threads: -1}, "options.Threads: -1"},
		{neighbors.Matrix{Data: make([]float32, 2*5000), Rows: 2, Cols: 5000}, projection.UMAPOptions{}, "choose columns first"},
	} {
		_, err := projection.UMAP(t.Context(), tc.x, tc.options)
		require.ErrorContains(t, err, tc.want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := projection.UMAP(ctx, good, projection.UMAPOptions{})
	require.ErrorIs(t, err, context.Canceled)
}
