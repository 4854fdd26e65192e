package projection_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/projection"
)

func matrix(cols int, values ...float32) neighbors.Matrix {
	return neighbors.Matrix{Data: values, Rows: len(values) / cols, Cols: cols}
}

// normal returns a matrix of normally distributed values.
func normal(seed uint64, rows, cols int) neighbors.Matrix {
	r := rand.New(rand.NewPCG(seed, 1))
	m := neighbors.Matrix{Data: make([]float32, rows*cols), Rows: rows, Cols: cols}
	for i := range m.Data {
		m.Data[i] = float32(r.NormFloat64())
	}
	return m
}

// sparse leaves out the zeros of a matrix, and gives it in blocks of some rows.
func sparse(m neighbors.Matrix, rows int) projection.Source {
	return func(yield func(projection.Block) error) error {
		for from := 0; from < m.Rows; from += rows {
			b := projection.Block{Indptr: []int64{0}}
			for i := from; i < min(from+rows, m.Rows); i++ {
				for j, v := range m.Row(i) {
					if v != 0 {
						b.Indices, b.Values = append(b.Indices, int32(j)), append(b.Values, v)
					}
				}
				b.Indptr = append(b.Indptr, int64(len(b.Values)))
			}
			if err := yield(b); err != nil {
				return err
			}
		}
		return nil
	}
}

// cells gives X of an .h5ad file.
func cells(t *testing.T, path string) (projection.Source, int) {
	t.Helper()
	f, err := anndata.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	x, err := f.X()
	require.NoError(t, err)
	return func(yield func(projection.Block) error) error {
		for from := 0; from < x.NRows(); from += 100 {
			b, err := x.Rows(t.Context(), from, min(from+100, x.NRows()))
			if err != nil {
				return err
			}
			if err := yield(projection.Block{Indptr: b.Indptr, Indices: b.Indices, Values: b.Values}); err != nil {
				return err
			}
		}
		return nil
	}, x.NCols()
}

func TestPCAEqualsScikitLearn(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/pca.json")
	require.NoError(t, err)
	var cases []struct {
		Name            string
		Cols, K         int
		X               []float32
		Variance, Ratio []float64
		Mean            []float64 // of the first columns
		Vectors         []float64 // their values in each
		Scores          []float64 // of the first rows
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	require.NotEmpty(t, cases)
	for _, tc := range cases {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			rows, cols := sparse(matrix(tc.Cols, tc.X...), 7), tc.Cols
			if tc.X == nil {
				rows, cols = cells(t, "../../testdata/cells/pbmc68k_train.h5ad")
			}
			require.Equal(t, tc.Cols, cols)
			c, err := projection.PCA(t.Context(), rows, cols, tc.K, projection.Options{})
			require.NoError(t, err)
			greatest := tc.Variance[0]
			require.InDeltaSlice(t, tc.Variance, c.Variance, 1e-10*greatest)
			for i, r := range tc.Ratio {
				require.InDelta(t, r, c.Variance[i]/c.Total, 1e-9)
			}
			shown := min(cols, 20)
			require.InDeltaSlice(t, tc.Mean, c.Mean[:shown], 1e-8)
			for k := range tc.K {
				require.InDeltaSlice(t, tc.Vectors[k*shown:(k+1)*shown], c.Vectors[k*cols:k*cols+shown], 1e-7, "component %d", k)
			}
			scores, err := c.Transform(t.Context(), rows)
			require.NoError(t, err)
			require.Equal(t, tc.K, scores.Cols)
			for i, want := range tc.Scores {
				require.InDelta(t, want, scores.Data[i], 1e-6*math.Sqrt(greatest), "score %d", i)
			}
		})
	}
}

// TestPCAFindsEqualVariances uses rows that vary along the axes alone, by
// amounts that are equal for several of them.
func TestPCAFindsEqualVariances(t *testing.T) {
	t.Parallel()
	amounts := []float32{1, 5, 5, 2, 5, 2, 0, 0, 3, 5}
	m := neighbors.Matrix{Cols: len(amounts)}
	for i, a := range amounts {
		for _, sign := range []float32{-1, 1} {
			row := make([]float32, len(amounts))
			row[i] = sign * a
			m.Data = append(m.Data, row...)
			m.Rows++
		}
	}
	for k := 1; k <= len(amounts); k++ {
		c, err := projection.PCA(t.Context(), projection.Dense(m), m.Cols, k, projection.Options{})
		require.NoError(t, err)
		want := []float64{25, 25, 25, 25, 9, 4, 4, 1, 0, 0}
		for i, v := range c.Variance {
			require.InDelta(t, 2*want[i]/19, v, 1e-12, "component %d of %d", i, k)
		}
		for i := range k { // directions of length 1, at right angles
			for j := range i + 1 {
				dot := 0.0
				for p := range m.Cols {
					dot += c.Vectors[i*m.Cols+p] * c.Vectors[j*m.Cols+p]
				}
				want := 0.0
				if i == j {
					want = 1
				}
				require.InDelta(t, want, dot, 1e-12)
			}
		}
	}
}

func TestPCAOfEqualRows(t *testing.T) {
	t.Parallel()
	m := matrix(3, 1, 2, 3, 1, 2, 3, 1, 2, 3)
	c, err := projection.PCA(t.Context(), projection.Dense(m), 3, 2, projection.Options{})
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{0, 0}, c.Variance, 1e-12)
	scores, err := c.Transform(t.Context(), projection.Dense(m))
	require.NoError(t, err)
	for _, v := range scores.Data {
		require.InDelta(t, 0, v, 1e-6)
	}
}

func TestPCADoesNotDependOnThreadsOrBlocks(t *testing.T) {
	t.Parallel()
	m := normal(3, 90, 301)
	for i := range m.Data {
		if i%3 > 0 {
			m.Data[i] = 0
		}
	}
	want, err := projection.PCA(t.Context(), sparse(m, 90), m.Cols, 9, projection.Options{Threads: 1})
	require.NoError(t, err)
	for _, threads := range []int{0, 2, 3, 16, 1000} {
		got, err := projection.PCA(t.Context(), sparse(m, 11), m.Cols, 9, projection.Options{Threads: threads})
		require.NoError(t, err)
		require.Equal(t, want, got, "%d threads", threads)
	}
	dense, err := projection.PCA(t.Context(), projection.Dense(m), m.Cols, 9, projection.Options{})
	require.NoError(t, err)
	require.Equal(t, want, dense)
}

func TestPCABadInput(t *testing.T) {
	t.Parallel()
	good := projection.Dense(normal(1, 6, 4))
	one := func(b projection.Block) projection.Source {
		return func(yield func(projection.Block) error) error { return yield(b) }
	}
	nan := float32(math.NaN())
	for _, tc := range []struct {
		name    string
		rows    projection.Source
		cols, k int
		threads int
		want    string
	}{
		{"no columns", good, 0, 1, 0, "cols: 0"},
		{"too many columns", good, projection.MaxColumns + 1, 1, 0, "choose columns first"},
		{"no components", good, 4, 0, 0, "k: 0 components"},
		{"more components than columns", good, 4, 5, 0, "k: 5 components of 4 columns"},
		{"more components than rows", projection.Dense(normal(1, 2, 4)), 4, 3, 0, "k: 3 components of 2 rows"},
		{"one row", projection.Dense(normal(1, 1, 4)), 4, 1, 0, "at least 2"},
		{"no rows", one(projection.Block{Indptr: []int64{0}}), 4, 1, 0, "of 0 rows"},
		{"threads", good, 4, 1, -1, "options.Threads: -1"},
		{"NaN", projection.Dense(matrix(2, 1, 2, nan, 4)), 2, 1, 0, "x[1,0]: NaN"},
		{"NaN in a block", one(projection.Block{Indptr: []int64{0, 1}, Indices: []int32{2}, Values: []float32{nan}}), 4, 1, 0, "row 0, column 2: NaN"},
		{"column beyond", one(projection.Block{Indptr: []int64{0, 1}, Indices: []int32{4}, Values: []float32{1}}), 4, 1, 0, "row 0: column 4"},
		{"column below", one(projection.Block{Indptr: []int64{0, 1}, Indices: []int32{-1}, Values: []float32{1}}), 4, 1, 0, "row 0: column -1"},
		{"column twice", one(projection.Block{Indptr: []int64{0, 2}, Indices: []int32{1, 1}, Values: []float32{1, 1}}), 4, 1, 0, "row 0: column 1 after 1"},
		{"pointer beyond", one(projection.Block{Indptr: []int64{0, 2}, Indices: []int32{1}, Values: []float32{1}}), 4, 1, 0, "row 0 goes from entry 0 to 2 of 1"},
		{"indices without values", one(projection.Block{Indptr: []int64{0, 1}, Indices: []int32{1}}), 4, 1, 0, "1 indices and 0 values"},
		{"no pointers", one(projection.Block{}), 4, 1, 0, "block of 0 row pointers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := projection.PCA(t.Context(), tc.rows, tc.cols, tc.k, projection.Options{Threads: tc.threads})
			require.ErrorContains(t, err, tc.want)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := projection.PCA(ctx, good, 4, 1, projection.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func ExamplePCA() {
	x := neighbors.Matrix{Rows: 4, Cols: 2, Data: []float32{0, 0, 1, 1, 2, 2, 3, 3}}
	c, err := projection.PCA(context.Background(), projection.Dense(x), x.Cols, 1, projection.Options{})
	if err != nil {
		panic(err)
	}
	scores, err := c.Transform(context.Background(), projection.Dense(x))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.3f\n%.3f\n", c.Variance, scores.Data)
	// Output:
	// [3.333]
	// [-2.121 -0.707 0.707 2.121]
}
