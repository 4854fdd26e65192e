package anndata

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

const h5adDir = "../../testdata/h5ad"

func openFixture(t testing.TB, name string) *File {
	t.Helper()
	f, err := Open(filepath.Join(h5adDir, name), WithTempDir(t.TempDir()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func whole(t testing.TB, m *Matrix) *Block {
	t.Helper()
	b, err := m.Rows(t.Context(), 0, m.NRows())
	require.NoError(t, err)
	require.Equal(t, m.NRows(), b.NRows())
	return b
}

// requireBlocks reads m in blocks of every size, by themselves and in sequence, and
// compares with want.
func requireBlocks(t *testing.T, want *Block, m *Matrix) {
	t.Helper()
	for _, step := range []int{1, 7, 64, max(1, m.NRows())} {
		next := 0
		for b, err := range m.Blocks(t.Context(), 0, m.NRows(), step) {
			require.NoError(t, err)
			requireRows(t, want, b, next, min(next+step, m.NRows()))
			next = b.To
		}
		require.Equal(t, m.NRows(), next)
		for from := 0; from < m.NRows(); from += step {
			to := min(from+step, m.NRows())
			b, err := m.Rows(t.Context(), from, to)
			require.NoError(t, err)
			requireRows(t, want, b, from, to)
		}
	}
}

// requireRows compares a block with the rows from from to before to of want, which
// begins with row 0.
func requireRows(t *testing.T, want, b *Block, from, to int) {
	t.Helper()
	require.Equal(t, from, b.From)
	require.Equal(t, to, b.To)
	require.Len(t, b.Indptr, to-from+1)
	require.Zero(t, b.Indptr[0])
	for i := range b.NRows() {
		columns, values := b.Row(i)
		wantColumns, wantValues := want.Row(from + i)
		require.Equal(t, append([]int32{}, wantColumns...), append([]int32{}, columns...))
		require.Equal(t, append([]float32{}, wantValues...), append([]float32{}, values...))
	}
}

// The fixtures hold one matrix in every encoding, type and storage.
func TestEncodingsAgree(t *testing.T) {
	t.Parallel()
	x, err := openFixture(t, "csr_none.h5ad").X()
	require.NoError(t, err)
	want := whole(t, x)
	require.Len(t, want.Values, 960)
	for _, name := range []string{
		"csr_gzip.h5ad", "csr_lzf.h5ad", "csr_f64.h5ad", "csr_i32.h5ad", "csr_u16.h5ad", "csr_idx64.h5ad",
		"csc_none.h5ad", "csc_gzip.h5ad", "today_csc.h5ad", "today_csr_gzip.h5ad", "today_dense.h5ad",
		"dense_none.h5ad", "dense_gzip.h5ad", "dense_lzf.h5ad", "dense_f64.h5ad", "contig_bigendian.h5ad",
		"latest_fixedarray.h5ad", "latest_fixedarray_gzip_paged.h5ad", "latest_btree2.h5ad", "latest_extarray_small.h5ad",
		"old06_csr.h5ad", "old07_csr.h5ad", "old07_dense.h5ad", "userblock512.h5ad",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openFixture(t, name)
			x, err := f.X()
			require.NoError(t, err)
			requireBlocks(t, want, x)
			for _, layer := range f.Layers() {
				l, err := f.Layer(layer)
				require.NoError(t, err)
				requireBlocks(t, want, l)
			}
		})
	}
}

// Rows of wide chunks come through a temporary file.
func TestBandedDense(t *testing.T) {
	t.Parallel()
	x, err := openFixture(t, "csr_none.h5ad").X()
	require.NoError(t, err)
	want := whole(t, x)
	for _, name := range []string{"latest_fixedarray.h5ad", "latest_btree2.h5ad", "dense_gzip.h5ad"} {
		f := openFixture(t, name)
		f.band = 1000
		x, err := f.X()
		require.NoError(t, err)
		_, banded := x.banded()
		require.True(t, banded)
		requireBlocks(t, want, x)
		nnz, err := x.NNZ(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 960, nnz)
		sum, err := x.Sum(t.Context())
		require.NoError(t, err)
		require.Equal(t, 14536.0, sum)
		require.LessOrEqual(t, len(f.spills), 1)
	}
}

// random returns a matrix with about one value in ten.
func random(rows, cols int) (values []float64, data []float32, indices, indptr []int64) {
	r := rand.New(rand.NewPCG(1, 2))
	values = make([]float64, rows*cols)
	indptr = []int64{0}
	for i := range values {
		if r.IntN(10) == 0 {
			values[i] = float64(float32(r.NormFloat64()))
			data = append(data, float32(values[i]))
			indices = append(indices, int64(i%cols))
		}
		if i%cols == cols-1 {
			indptr = append(indptr, int64(len(data)))
		}
	}
	return values, data, indices, indptr
}

// transposed turns CSR into CSC.
func transposed(rows, cols int, data []float32, indices, indptr []int64) ([]float32, []int64, []int64) {
	var outData []float32
	var outIndices []int64
	outIndptr := []int64{0}
	for c := range cols {
		for r := range rows {
			for k := indptr[r]; k < indptr[r+1]; k++ {
				if indices[k] == int64(c) {
					outData, outIndices = append(outData, data[k]), append(outIndices, int64(r))
				}
			}
		}
		outIndptr = append(outIndptr, int64(len(outData)))
	}
	return outData, outIndices, outIndptr
}

func TestCraftedEncodingsAgree(t *testing.T) {
	t.Parallel()
	const rows, cols = 301, 53
	values, data, indices, indptr := random(rows, cols)
	shape := []int64{rows, cols}
	cscData, cscIndices, cscIndptr := transposed(rows, cols, data, indices, indptr)
	// Within a row any order will do.
	mixedData, mixedIndices := append([]float32{}, data...), append([]int64{}, indices...)
	for r := range rows {
		for i, j := indptr[r], indptr[r+1]-1; i < j; i, j = i+1, j-1 {
			mixedData[i], mixedData[j] = mixedData[j], mixedData[i]
			mixedIndices[i], mixedIndices[j] = mixedIndices[j], mixedIndices[i]
		}
	}
	open := func(x func(*testing.T, *elements) hdf5.Ref) *Matrix {
		m, err := crafted{cells: rows, genes: cols, x: x}.open(t).X()
		require.NoError(t, err)
		return m
	}
	want := whole(t, open(sparse("csr", shape, data, indices, indptr)))
	require.Len(t, want.Values, len(data))
	requireBlocks(t, want, open(sparse("csr", shape, mixedData, mixedIndices, indptr)))
	requireBlocks(t, want, open(sparse("csc", shape, cscData, cscIndices, cscIndptr)))
	for _, chunk := range []int{1, 8 * cols * 17, 1 << 20} {
		m := open(dense(rows, cols, values, chunk))
		require.Equal(t, "float64", m.DType())
		requireBlocks(t, want, m)
	}
}

// Values are passed on, zeros are not.
func TestSpecialValues(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	f := crafted{cells: 2, genes: 5, x: sparse("csr", []int64{2, 5}, []float32{nan, 0, inf, -inf, -1}, []int64{0, 2, 4, 1, 3}, []int64{0, 3, 5})}.open(t)
	x, err := f.X()
	require.NoError(t, err)
	b := whole(t, x)
	require.Equal(t, []int64{0, 2, 4}, b.Indptr)
	require.Equal(t, []int32{0, 4, 1, 3}, b.Indices)
	require.True(t, math.IsNaN(float64(b.Values[0])))
	require.Equal(t, []float32{inf, -inf, -1}, b.Values[1:])
	nnz, err := x.NNZ(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 4, nnz)
}

func TestBrokenMatrices(t *testing.T) {
	t.Parallel()
	good := []float32{1, 2, 3}
	for name, tc := range map[string]struct {
		x    func(*testing.T, *elements) hdf5.Ref
		want string
	}{
		"index too large":     {sparse("csr", []int64{2, 5}, good, []int64{0, 9000, 4}, []int64{0, 2, 3}), "X/indices[1] = 9000, but there are 5 genes"},
		"index beyond int32":  {sparse("csr", []int64{2, 5}, good, []int64{0, 1 << 40, 4}, []int64{0, 2, 3}), "X/indices[1] = 1099511627776, but there are 5 genes"},
		"negative index":      {sparse("csr", []int64{2, 5}, good, []int64{0, -1, 4}, []int64{0, 2, 3}), "X/indices[1] = -1, but there are 5 genes"},
		"index twice":         {sparse("csr", []int64{2, 5}, good, []int64{0, 4, 4}, []int64{0, 1, 3}), "X/indices: row 1 has gene 4 twice"},
		"twice, apart":        {sparse("csr", []int64{2, 5}, good, []int64{4, 0, 4}, []int64{0, 3, 3}), "X/indices: row 0 has gene 4 twice"},
		"pointers fall":       {sparse("csr", []int64{2, 5}, good, []int64{0, 1, 4}, []int64{0, 5, 3}), "X/indptr[1] = 5, but there are 3 values"},
		"pointers turn back":  {sparse("csr", []int64{2, 5}, append(good, 4), []int64{0, 1, 4, 2}, []int64{0, -2, 4}), "X/indptr[1] = -2, but there are 4 values"},
		"pointers start late": {sparse("csr", []int64{2, 5}, good, []int64{0, 1, 4}, []int64{1, 2, 3}), "X/indptr goes from 1 to 3, want 0 to 3"},
		"pointers end early":  {sparse("csr", []int64{2, 5}, good, []int64{0, 1, 4}, []int64{0, 1, 2}), "X/indptr goes from 0 to 2, want 0 to 3"},
		"row too long":        {sparse("csr", []int64{2, 5}, make([]float32, 6), make([]int64, 6), []int64{0, 6, 6}), "X/indptr[1] = 6, 6 more than before it, but only 5 are possible"},
		"too few pointers":    {sparse("csr", []int64{2, 5}, good, []int64{0, 1, 4}, []int64{0, 3}), "X/indptr has 2 entries, want 3 for 2 rows"},
		"too few indices":     {sparse("csr", []int64{2, 5}, good, []int64{0, 1}, []int64{0, 1, 3}), "X/indices has 2 entries, but X/data has 3"},
		"other shape":         {sparse("csr", []int64{3, 5}, good, []int64{0, 1, 4}, []int64{0, 1, 2, 3}), "X has shape [3 5], but there are 2 cells and 5 genes"},
		"unknown encoding":    {sparse("bsr", []int64{2, 5}, good, []int64{0, 1, 4}, []int64{0, 1, 3}), `X has encoding "bsr_matrix"`},
		"csc row too large":   {sparse("csc", []int64{2, 5}, good, []int64{0, 2, 1}, []int64{0, 2, 3, 3, 3, 3}), "X/indices[1] = 2, but there are 2 cells"},
		"csc row twice":       {sparse("csc", []int64{2, 5}, good, []int64{0, 1, 1}, []int64{0, 1, 3, 3, 3, 3}), "X/indices: column 1 has row 1 twice"},
		"csc pointers fall":   {sparse("csc", []int64{2, 5}, good, []int64{0, 1, 1}, []int64{0, 2, 1, 2, 3, 3}), "X/indptr[2] = 1, less than 2 before it"},
		"dense shape":         {dense(2, 4, make([]float64, 8), 0), "X has shape [2 4], but there are 2 cells and 5 genes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := crafted{cells: 2, genes: 5, x: tc.x}.open(t)
			x, err := f.X()
			if err == nil {
				_, err = x.Rows(t.Context(), 0, 2)
			}
			require.ErrorContains(t, err, f.Path()+": ")
			require.ErrorContains(t, err, tc.want)
			var de *DataError
			require.ErrorAs(t, err, &de)
			require.Equal(t, "InvalidDataError", de.ErrorType())
		})
	}
}

func TestRowsOutOfRange(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"csr_gzip.h5ad", "csc_gzip.h5ad", "dense_gzip.h5ad"} {
		x, err := openFixture(t, name).X()
		require.NoError(t, err)
		for _, r := range [][2]int{{-1, 2}, {5, 4}, {0, 121}} {
			_, err := x.Rows(t.Context(), r[0], r[1])
			require.ErrorContains(t, err, "there are 120")
		}
		b, err := x.Rows(t.Context(), 7, 7)
		require.NoError(t, err)
		require.Zero(t, b.NRows())
	}
}

func TestCancelledRows(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"csr_gzip.h5ad", "csc_gzip.h5ad", "dense_gzip.h5ad", "csr_none.h5ad"} {
		ctx, cancel := context.WithCancel(t.Context())
		f := openFixture(t, name)
		x, err := f.X()
		require.NoError(t, err)
		cancel()
		_, err = x.Rows(ctx, 0, 10)
		require.ErrorIs(t, err, context.Canceled, name)
		_, err = x.NNZ(ctx)
		require.ErrorIs(t, err, context.Canceled, name)
		// Another caller is not harmed.
		_, err = x.Rows(t.Context(), 0, 10)
		require.NoError(t, err)
	}
}

// Close leaves no temporary file.
func TestTemporaryFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := Open(filepath.Join(h5adDir, "csc_gzip.h5ad"), WithTempDir(dir))
	require.NoError(t, err)
	x, err := f.X()
	require.NoError(t, err)
	whole(t, x)
	require.NoError(t, f.Close())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)

	f, err = Open(filepath.Join(h5adDir, "csc_gzip.h5ad"), WithTempDir(filepath.Join(dir, "missing")))
	require.NoError(t, err)
	x, err = f.X()
	require.NoError(t, err)
	_, err = x.Rows(t.Context(), 0, 1)
	require.ErrorContains(t, err, "temporary file")
	require.NoError(t, f.Close())
}

// Several readers of one matrix do not disturb each other.
func TestConcurrentRows(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"csr_gzip.h5ad", "csc_gzip.h5ad", "dense_gzip.h5ad"} {
		x, err := openFixture(t, name).X()
		require.NoError(t, err)
		want := whole(t, x)
		errs := make(chan error)
		const readers = 6
		for i := range readers {
			go func() {
				for from := i; from < 100; from += readers {
					b, err := x.Rows(context.Background(), from, from+20)
					if err != nil || len(b.Values) != int(want.Indptr[from+20]-want.Indptr[from]) {
						errs <- x.file.errorf("rows from %d: %v", from, err)
						return
					}
				}
				errs <- nil
			}()
		}
		for range readers {
			require.NoError(t, <-errs)
		}
	}
}

func BenchmarkRows(b *testing.B) {
	for _, name := range []string{"celltypist_sample.h5ad", "pbmc68k_train.h5ad"} {
		b.Run(name, func(b *testing.B) {
			f, err := Open(filepath.Join("../../testdata/cells", name))
			require.NoError(b, err)
			defer func() { require.NoError(b, f.Close()) }()
			x, err := f.X()
			require.NoError(b, err)
			var values int64
			for b.Loop() {
				block, err := x.Rows(b.Context(), 0, x.NRows())
				require.NoError(b, err)
				values += int64(len(block.Values))
			}
			b.SetBytes(8 * values / int64(b.N))
		})
	}
}
