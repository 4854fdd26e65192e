package anndata

import (
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

func TestBadFiles(t *testing.T) {
	t.Parallel()
	_, err := Open(filepath.Join(t.TempDir(), "missing.h5ad"))
	require.ErrorIs(t, err, fs.ErrNotExist)

	for name, want := range map[string]string{
		"bad_empty.h5ad":        "the file is empty",
		"bad_nothdf5.h5ad":      "not an HDF5 file",
		"bad_trunc_100.h5ad":    "truncated: the file has 100 bytes",
		"bad_trunc_half.h5ad":   "truncated: the file has 47923 bytes",
		"bad_trunc_minus1.h5ad": "truncated: the file has 95845 bytes",
	} {
		path := filepath.Join(h5adDir, name)
		_, err := Open(path)
		require.ErrorContains(t, err, path+": "+want)
		var invalid interface{ ErrorType() string }
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "InvalidDataError", invalid.ErrorType())
	}

	f := openFixture(t, "bad_indices.h5ad")
	x, err := f.X()
	require.NoError(t, err)
	_, err = x.Rows(t.Context(), 0, f.NObs())
	require.EqualError(t, err, f.Path()+": X/indices[3] = 9999, but there are 80 genes")
}

func TestNotH5ad(t *testing.T) {
	t.Parallel()
	_, err := Open("hdf5/testdata/classic.h5")
	require.ErrorContains(t, err, "not an .h5ad file")
}

// What is not there is named, with what is.
func TestMissingParts(t *testing.T) {
	t.Parallel()
	f := openFixture(t, "no_X.h5ad")
	_, err := f.X()
	require.ErrorIs(t, err, ErrNoX)
	require.False(t, f.HasX())
	require.False(t, f.HasRaw())
	_, err = f.Raw()
	require.ErrorIs(t, err, ErrNotFound)
	_, err = f.Layer("nothing")
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, `there is no layer "nothing"; there are "counts"`)
	_, err = f.Obs().Column("nothing")
	require.ErrorIs(t, err, ErrNotFound)
	_, err = f.ObsmArray(t.Context(), "nothing")
	require.ErrorIs(t, err, ErrNotFound)
	_, err = f.UnsValue(t.Context(), "nothing")
	require.ErrorIs(t, err, ErrNotFound)
}

// Where X is missing or of no use, raw may be what is wanted.
func TestMissingXBesideRaw(t *testing.T) {
	t.Parallel()
	raw := func(part ...string) func(*testing.T, *elements) []hdf5.Entry {
		return func(t *testing.T, e *elements) []hdf5.Entry {
			vars, err := e.frame(names("gene", 5), nil)
			require.NoError(t, err)
			all := map[string]hdf5.Ref{"X": dense(3, 5, make([]float64, 15), 100)(t, e), "var": vars}
			var entries []hdf5.Entry
			for _, name := range part {
				entries = append(entries, hdf5.NewEntry(name, all[name]))
			}
			group, err := e.dict(entries)
			require.NoError(t, err)
			return []hdf5.Entry{hdf5.NewEntry("raw", group)}
		}
	}
	f := crafted{cells: 3, genes: 2, more: raw("X", "var")}.open(t)
	_, err := f.X()
	require.ErrorIs(t, err, ErrNoX)
	require.EqualError(t, err, f.Path()+": X is missing; raw has 5 genes: copy it to X first (adata.raw.to_adata())")
	f = crafted{cells: 3, genes: 2, more: raw("var")}.open(t)
	_, err = f.X()
	require.EqualError(t, err, f.Path()+": X is missing", "a raw that cannot be copied either")
}

func TestBrokenFrames(t *testing.T) {
	t.Parallel()
	// column replaces a column of obs by one that is broken.
	column := func(column func(e *elements) (hdf5.Ref, error)) func(*testing.T, *elements) []hdf5.Entry {
		return func(t *testing.T, e *elements) []hdf5.Entry {
			index, err := e.texts(names("cell", 3))
			require.NoError(t, err)
			ref, err := column(e)
			require.NoError(t, err)
			obs, err := e.Group([]hdf5.Entry{hdf5.NewEntry("_index", index), hdf5.NewEntry("c", ref)}, frameAttrs("_index", []string{"c"}))
			require.NoError(t, err)
			return []hdf5.Entry{hdf5.NewEntry("obs", obs)}
		}
	}
	codes := func(codes []int64) func(e *elements) (hdf5.Ref, error) {
		return func(e *elements) (hdf5.Ref, error) {
			a, errA := e.list(codes)
			b, errB := e.texts([]string{"x", "y"})
			ref, err := e.Group([]hdf5.Entry{hdf5.NewEntry("codes", a), hdf5.NewEntry("categories", b)}, encoded("categorical"))
			return ref, errors.Join(errA, errB, err)
		}
	}
	for name, tc := range map[string]struct {
		column func(e *elements) (hdf5.Ref, error)
		want   string
	}{
		"code too large": {codes([]int64{0, 2, 1}), "obs/c/codes[1] = 2, but there are 2 categories"},
		"code negative":  {codes([]int64{0, 0, -2}), "obs/c/codes[2] = -2, but there are 2 categories"},
		"too few codes":  {codes([]int64{0}), "obs/c has 1 rows, but obs has 3"},
		"too many texts": {func(e *elements) (hdf5.Ref, error) { return e.texts(names("", 4)) }, "obs/c has 4 rows, but obs has 3"},
		"scalar":         {func(e *elements) (hdf5.Ref, error) { return e.value(1, 0) }, "obs/c has shape []; a column has one dimension"},
		"a mapping":      {func(e *elements) (hdf5.Ref, error) { return e.dict(nil) }, `obs/c is a group of encoding "dict", not a column`},
		"short mask": {func(e *elements) (hdf5.Ref, error) {
			a, errA := e.list([]int64{1, 2, 3})
			b, errB := e.list([]bool{true})
			ref, err := e.Group([]hdf5.Entry{hdf5.NewEntry("values", a), hdf5.NewEntry("mask", b)}, nil)
			return ref, errors.Join(errA, errB, err)
		}, "obs/c/mask has shape [1], but there are 3 values"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			more := column(tc.column)
			path := crafted{cells: 3, genes: 1}.replaced(t, more)
			f, err := Open(path)
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			_, err = f.Obs().Column("c")
			require.EqualError(t, err, path+": "+tc.want)
		})
	}
}

func TestColumnKinds(t *testing.T) {
	t.Parallel()
	f := openFixture(t, "nullable.h5ad")
	kinds := map[string]Kind{}
	for _, name := range f.Obs().Columns() {
		c, err := f.Obs().Column(name)
		require.NoError(t, err)
		kinds[name] = c.Kind
	}
	require.Equal(t, map[string]Kind{"cell_type": KindCategorical, "batch": KindCategorical, "note": KindCategorical, "n_counts": KindFloat,
		"n_genes": KindInt, "is_primary": KindBool, "nint": KindInt, "nbool": KindBool}, kinds)

	c, err := f.Obs().Column("nint")
	require.NoError(t, err)
	require.Equal(t, []string{"", "1", "2", "3", "4", "", "6"}, c.Strings()[:7])
	require.Equal(t, []bool{true, false, false, false, false, true, false}, c.Missing()[:7])
	require.Equal(t, []int64{0, 1, 2}, c.Ints()[:3])
	require.True(t, math.IsNaN(c.Floats()[0]))
	require.Equal(t, 6.0, c.Floats()[6])

	c, err = f.Obs().Column("nbool")
	require.NoError(t, err)
	require.Equal(t, []string{"", "True", "False", "True"}, c.Strings()[:4])

	c, err = f.Obs().Column("cell_type")
	require.NoError(t, err)
	require.Equal(t, []string{"B cell", "CD4 T", "Mono/μ", "NK", "B cell", ""}, c.Strings()[:6])
	require.Equal(t, []int32{0, 1, 2, 3, 0, -1}, c.Codes[:6])
	require.True(t, c.Missing()[5])
	require.Nil(t, c.Floats())
	require.Nil(t, c.Ints())
	require.False(t, c.Ordered)

	c, err = f.Obs().Column("n_counts")
	require.NoError(t, err)
	require.Nil(t, c.Missing())
	require.Equal(t, []string{"0", "1", "2"}, c.Strings()[:3])

	c, err = openFixture(t, "raw_obsm.h5ad").Obs().Column("ord")
	require.NoError(t, err)
	require.True(t, c.Ordered)
	require.Equal(t, []string{"0", "1", "2"}, c.Categories)
}

// What anndata 0.13 writes: texts with a mask, as columns, index and
// categories.
func TestTodaysTexts(t *testing.T) {
	t.Parallel()
	f := openFixture(t, "today_missing.h5ad")
	names, err := f.Obs().Index()
	require.NoError(t, err)
	require.Equal(t, "CELL00119-1", names[119])
	c, err := f.Var().Column("gene_name")
	require.NoError(t, err)
	require.Equal(t, KindString, c.Kind)
	require.Equal(t, "GENE79", c.Strings()[79])
	c, err = f.Obs().Column("note")
	require.NoError(t, err)
	require.Equal(t, []string{"note-0-é", "note-1-é", "", "note-3-é"}, c.Strings()[:4])
	c, err = f.Obs().Column("n_genes")
	require.NoError(t, err)
	require.Equal(t, []string{"6", "", "8"}, c.Strings()[6:9])
	info, err := f.UnsValue(t.Context(), "info")
	require.NoError(t, err)
	require.Equal(t, map[string]any{"k": "v", "n": int64(3), "missing": nil}, info)
}

func TestRawAndObsm(t *testing.T) {
	t.Parallel()
	f := openFixture(t, "raw_obsm.h5ad")
	raw, err := f.Raw()
	require.NoError(t, err)
	require.Equal(t, 30, raw.NVars())
	x, err := f.X()
	require.NoError(t, err)
	requireBlocks(t, whole(t, x), raw.X())
	genes, err := raw.Var().Index()
	require.NoError(t, err)
	require.Equal(t, "ENSG00000000029", genes[29])

	for name, want := range map[string]bool{"X_pca": true, "nothing": false} {
		there, err := f.HasObsm(name)
		require.NoError(t, err)
		require.Equal(t, want, there, name)
	}
	infos, err := f.Obsm()
	require.NoError(t, err)
	require.Equal(t, []ArrayInfo{
		{Name: "X_pca", Shape: []int{40, 5}, DType: "float32"},
		{Name: "df", Shape: []int{40, 1}},
		{Name: "sp", Shape: []int{40, 3}, DType: "float32"},
	}, infos)
	a, err := f.ObsmArray(t.Context(), "sp")
	require.NoError(t, err)
	require.Equal(t, []float32{1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}, a.Data[:12])
	a, err = f.ObsmArray(t.Context(), "df")
	require.NoError(t, err)
	require.Equal(t, []float32{0, 1, 2, 3}, a.Data[:4])
	a, err = f.ObsmArray(t.Context(), "X_pca")
	require.NoError(t, err)
	require.Len(t, a.Data, 200)

	require.Equal(t, []string{"info", "none"}, f.Uns())
	none, err := f.UnsValue(t.Context(), "none")
	require.NoError(t, err)
	require.Nil(t, none)
}
