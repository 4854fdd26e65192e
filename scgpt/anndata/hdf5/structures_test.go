package hdf5

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const h5adDir = "../../../testdata/h5ad"

func openTest(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func dataset(t testing.TB, f *File, path string) *Dataset {
	t.Helper()
	o, err := f.Object(path)
	require.NoError(t, err)
	d, err := o.Dataset()
	require.NoError(t, err)
	return d
}

func int64s(t testing.TB, d *Dataset) []int64 {
	t.Helper()
	out := make([]int64, d.Len())
	require.NoError(t, d.ReadInt64s(t.Context(), out, 0, d.Rows()))
	return out
}

// count returns 0, 1, 2, …
func count(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i)
	}
	return out
}

// The same content in every version of the format, with every chunk index.
func TestVersionsAgree(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ want, files string }{
		{"csr_gzip.h5ad", "libver_*_csr.h5ad"},
		{"csr_gzip.h5ad", "csr_none.h5ad"},
		{"csr_gzip.h5ad", "csr_lzf.h5ad"},
		{"csr_gzip.h5ad", "latest_extarray_small.h5ad"},
		{"csr_gzip.h5ad", "earliest_shuffle_fletcher.h5ad"},
		{"csr_gzip.h5ad", "userblock512.h5ad"},
		{"csr_gzip.h5ad", "bad_btree_cycle.h5ad"}, // sibling pointers are not needed
		{"dense_gzip.h5ad", "libver_*_dense.h5ad"},
		{"dense_gzip.h5ad", "dense_none.h5ad"},
		{"dense_gzip.h5ad", "dense_lzf.h5ad"},
		{"dense_gzip.h5ad", "latest_singlechunk.h5ad"},
		{"dense_gzip.h5ad", "latest_singlechunk_gzip.h5ad"},
		{"dense_gzip.h5ad", "latest_fixedarray.h5ad"},
		{"dense_gzip.h5ad", "latest_fixedarray_gzip_paged.h5ad"},
		{"dense_gzip.h5ad", "latest_btree2.h5ad"},
	} {
		want, err := everything(t.Context(), openTest(t, filepath.Join(h5adDir, tc.want)))
		require.NoError(t, err)
		require.Greater(t, len(want), 80)
		files, err := filepath.Glob(filepath.Join(h5adDir, tc.files))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, path := range files {
			t.Run(filepath.Base(path), func(t *testing.T) {
				t.Parallel()
				got, err := everything(t.Context(), openTest(t, path))
				require.NoError(t, err)
				require.Equal(t, want, got)
			})
		}
	}
}

// sparse has a few values, at their own numbers, and the fill value elsewhere.
func requireSparse(t *testing.T, got []int64, at ...int64) {
	t.Helper()
	set := map[int64]bool{}
	for _, i := range at {
		set[i] = true
	}
	for i, v := range got {
		if set[int64(i)] {
			require.EqualValues(t, i, v)
		} else if v != 0 {
			require.Failf(t, "a value that was never written", "x[%d] = %d", i, v)
		}
	}
}

func TestExtensibleArray(t *testing.T) {
	t.Parallel()
	f := openTest(t, "testdata/extensible_array.h5")
	for _, name := range []string{"x", "filtered"} {
		requireSparse(t, int64s(t, dataset(t, f, name)), 0, 3, 4, 90, 5000, 70000, 131071, 149999)
	}
	require.Equal(t, count(350), int64s(t, dataset(t, f, "second")))
	require.Equal(t, count(1200), int64s(t, dataset(t, f, "third")))
	require.Equal(t, count(30), int64s(t, dataset(t, f, "fixed")))
}

func TestBTree2(t *testing.T) {
	t.Parallel()
	f := openTest(t, "testdata/btree2.h5")
	require.Equal(t, count(4000), int64s(t, dataset(t, f, "x")))
	for i, v := range int64s(t, dataset(t, f, "holes")) {
		want := 9
		if row, col := i/100, i%100; row >= 20 && row < 23 && col >= 50 && col < 57 {
			want = 4
		}
		require.EqualValues(t, want, v, i)
	}
}

func TestImplicitIndexAndWholeEdges(t *testing.T) {
	t.Parallel()
	f := openTest(t, "testdata/implicit.h5")
	for _, name := range []string{"x", "grows", "edges"} {
		require.Equal(t, count(110), int64s(t, dataset(t, f, name)), name)
	}
}

func TestSharedMessages(t *testing.T) {
	t.Parallel()
	f := openTest(t, "testdata/shared.h5")
	for _, name := range []string{"d0", "d1", "d2"} {
		d := dataset(t, f, name)
		got := make([]float64, 20)
		require.NoError(t, d.ReadFloat64s(t.Context(), got, 0, 20))
		require.EqualValues(t, 19, got[19])
		a, err := d.obj.Attribute("text")
		require.NoError(t, err)
		s, err := a.Text()
		require.NoError(t, err)
		require.Equal(t, "a long enough attribute value", s)
		a, err = d.obj.Attribute("n")
		require.NoError(t, err)
		n, err := a.Int64s()
		require.NoError(t, err)
		require.Equal(t, count(10), n)
	}
}

func TestDenseStorageAndLinks(t *testing.T) {
	t.Parallel()
	f := openTest(t, "testdata/dense.h5")
	many, err := f.Object("many")
	require.NoError(t, err)
	links, err := many.Links()
	require.NoError(t, err)
	require.Len(t, links, 300)
	for _, l := range links {
		require.Equal(t, SoftLink, l.Kind)
	}
	o, err := f.Object("attrs")
	require.NoError(t, err)
	as, err := o.Attributes()
	require.NoError(t, err)
	require.Len(t, as, 21)
	big, err := o.Attribute("big")
	require.NoError(t, err)
	n, err := big.Int64s()
	require.NoError(t, err)
	require.Equal(t, count(10000), n)

	for _, path := range []string{"named", "soft", "hard", "/named", "./soft"} {
		require.Equal(t, count(4), int64s(t, dataset(t, f, path)), path)
	}
	typ, err := f.Object("type")
	require.NoError(t, err)
	require.Equal(t, KindDatatype, typ.Kind())
	_, err = typ.Dataset()
	require.ErrorContains(t, err, "not a dataset")

	_, err = f.Object("external")
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = f.Object("dangling")
	require.ErrorIs(t, err, ErrNotFound)
	_, err = f.Object("loop")
	require.ErrorContains(t, err, "soft links")
	_, err = f.Object("nothing/at/all")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestClassicFormat(t *testing.T) {
	t.Parallel()
	f := openTest(t, "testdata/classic.h5")
	g, err := f.Object("loop")
	require.NoError(t, err)
	links, err := g.Links()
	require.NoError(t, err)
	require.Len(t, links, 100)
	require.Equal(t, []int64{73}, int64s(t, dataset(t, f, "g/c0073")))
	require.Equal(t, count(900), int64s(t, dataset(t, f, "deep")))
	require.Equal(t, count(360), int64s(t, dataset(t, f, "four")))
	require.Equal(t, []int64{7, 7, 7}, int64s(t, dataset(t, f, "unwritten")))

	floats := func(name string) []float64 {
		d := dataset(t, f, name)
		out := make([]float64, d.Len())
		require.NoError(t, d.ReadFloat64s(t.Context(), out, 0, d.Rows()))
		return out
	}
	for i, v := range floats("lzf") {
		require.EqualValues(t, i, v)
	}
	for i, v := range floats("holes") {
		want := -1.5
		if row, col := i/50, i%50; row >= 17 && row < 20 && col >= 18 && col < 20 {
			want = 2
		}
		require.Equal(t, want, v, i)
	}
	for i, v := range int64s(t, dataset(t, f, "shrunk")) {
		require.EqualValues(t, i/13*50+i%13, v)
	}
	require.Equal(t, []float64{3.5}, floats("scalar"))
	require.Empty(t, floats("empty"))
	require.Empty(t, floats("null"))
	require.True(t, dataset(t, f, "null").Null())

	half := floats("half")
	require.Equal(t, []float64{0, 1, -2, 65504}, half[:4])
	require.InDelta(t, 6e-8, half[4], 1e-9)
	require.True(t, math.IsInf(half[5], 1) && math.IsInf(half[6], -1))
	require.InDelta(t, 1.0/3, half[7], 1e-4)

	texts := dataset(t, f, "texts")
	s, err := texts.ReadStrings(t.Context(), 0, 4)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "", s[2], "d"}, s)
	require.Len(t, s[2], 6000)

	records := dataset(t, f, "records").Type()
	require.Equal(t, ClassCompound, records.Class)
	require.Equal(t, []int{2, 3}, records.Members[1].Type.Dims)
	require.Equal(t, "float64", records.Members[1].Type.Base.String())
	require.ErrorContains(t, dataset(t, f, "records").ReadFloat64s(t.Context(), make([]float64, 5), 0, 5), "holds compound, want numbers")

	root, err := f.Root()
	require.NoError(t, err)
	a, err := root.Attribute("ref")
	require.NoError(t, err)
	targets, err := a.References()
	require.NoError(t, err)
	require.Equal(t, dataset(t, f, "deep").obj.Address(), targets[0].Address())
}

func TestPagedFileSpace(t *testing.T) {
	t.Parallel()
	require.Equal(t, count(50), int64s(t, dataset(t, openTest(t, "testdata/paged_space.h5"), "x")))
}

// Any range of rows is the part of the whole.
func TestRowRanges(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ file, path string }{
		{"testdata/classic.h5", "lzf"},
		{"testdata/classic.h5", "holes"},
		{"testdata/classic.h5", "deep"},
		{"testdata/classic.h5", "four"},
		{"testdata/extensible_array.h5", "third"},
		{filepath.Join(h5adDir, "dense_none.h5ad"), "X"},
	} {
		t.Run(tc.path, func(t *testing.T) {
			t.Parallel()
			d := dataset(t, openTest(t, tc.file), tc.path)
			whole := make([]float32, d.Len())
			require.NoError(t, d.ReadFloat32s(t.Context(), whole, 0, d.Rows()))
			width := d.RowLen()
			for from := 0; from <= d.Rows(); from++ {
				to := min(from+7, d.Rows())
				part := make([]float32, (to-from)*width)
				require.NoError(t, d.ReadFloat32s(t.Context(), part, from, to))
				require.Equal(t, whole[from*width:to*width], part)

				run := make([]float32, len(part))
				require.NoError(t, d.EachFloat32(t.Context(), from, to, func(at int, v []float32) error {
					copy(run[at:], v)
					return nil
				}))
				require.Equal(t, part, run)
			}
			require.Error(t, d.ReadFloat32s(t.Context(), make([]float32, width), d.Rows(), d.Rows()+1))
			require.Error(t, d.ReadFloat32s(t.Context(), make([]float32, 1), 0, 2))
			require.Error(t, d.ReadFloat32s(t.Context(), nil, -1, 0))
		})
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	_, err := Open(filepath.Join(t.TempDir(), "missing.h5"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Open(t.TempDir())
	require.ErrorContains(t, err, "not a regular file")
	for name, want := range map[string]string{
		"bad_empty.h5ad":        "the file is empty",
		"bad_nothdf5.h5ad":      "not an HDF5 file",
		"bad_trunc_100.h5ad":    "truncated: the file has 100 bytes, its superblock says 95846",
		"bad_trunc_half.h5ad":   "truncated",
		"bad_trunc_minus1.h5ad": "truncated",
	} {
		path := filepath.Join(h5adDir, name)
		_, err := Open(path)
		require.ErrorContains(t, err, path+": "+want)
		var fe *FormatError
		require.ErrorAs(t, err, &fe)
		require.Equal(t, "InvalidDataError", fe.ErrorType())
	}
}

// A file that shrinks under the reader is an error of reading, not of format.
func TestReadError(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(h5adDir, "csr_none.h5ad"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "a.h5ad")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	f := openTest(t, path)
	d := dataset(t, f, "X/data")
	require.NoError(t, os.Truncate(path, 4096))
	err = d.ReadFloat32s(t.Context(), make([]float32, d.Rows()), 0, d.Rows())
	require.Error(t, err)
	var fe *FormatError
	require.NotErrorAs(t, err, &fe)
	require.ErrorContains(t, err, path+": X/data: ")
}
