package anndata

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// additions returns some of everything that can be added to n cells.
func additions(n int) Additions {
	a := Additions{
		Uns: map[string]any{"scgpt": map[string]any{
			"text": "é", "empty": "", "int": 3, "float": 0.5, "yes": true, "null": nil,
			"texts": []string{"a", "", "ü"}, "ints": []int64{1, 2}, "floats": []float64{0.5}, "bools": []bool{true, false},
			"nested": map[string]any{"x": 1.5},
		}},
	}
	labels, texts, codes := make([]string, n), make(Texts, n), make([]int32, n)
	f32, f64, ints, bools := make([]float32, n), make([]float64, n), make([]int, n), make([]bool, n)
	data := make([]float32, 3*n)
	for i := range n {
		labels[i], texts[i], codes[i] = []string{"T", "B", "é"}[i%3], fmt.Sprint("cell ", i), int32(i%3)-1
		f32[i], f64[i], ints[i], bools[i] = float32(i)/2, float64(i)/4, -i, i%2 == 0
		for j := range 3 {
			data[3*i+j] = float32(3*i + j)
		}
	}
	a.Obs = []NewColumn{
		{"new_label", labels}, {"new_text", texts}, {"new_category", Categories{Names: []string{"z", "a"}, Codes: codes, Ordered: true}},
		{"new_f32", f32}, {"new_f64", f64}, {"new_int", ints}, {"new_bool", bools}, {"n_counts", f32},
	}
	a.Obsm = []NewArray{{Name: "X_new", Cols: 3, Data: data}, {Name: "X_read", Cols: 3, Read: func(_ context.Context, from, to int, dst []float32) error {
		copy(dst, data[3*from:3*to])
		return nil
	}}}
	return a
}

// requireAdditions checks that a file has them.
func requireAdditions(t *testing.T, f *File, want Additions) {
	t.Helper()
	for _, c := range want.Obs {
		got, err := f.Obs().Column(c.Name)
		require.NoError(t, err)
		switch v := c.Values.(type) {
		case []string:
			require.Equal(t, KindCategorical, got.Kind)
			require.Equal(t, v, got.Strings())
		case Texts:
			require.Equal(t, KindString, got.Kind)
			require.Equal(t, []string(v), got.Strings())
		case Categories:
			require.Equal(t, v.Names, got.Categories)
			require.Equal(t, v.Codes, got.Codes)
			require.Equal(t, v.Ordered, got.Ordered)
		case []float32:
			require.Equal(t, KindFloat, got.Kind)
			for i, x := range got.Floats() {
				require.Equal(t, v[i], float32(x))
			}
		case []float64:
			require.Equal(t, v, got.Floats())
		case []int:
			for i, x := range got.Ints() {
				require.EqualValues(t, v[i], x)
			}
		case []bool:
			require.Equal(t, KindBool, got.Kind)
			for i, x := range got.Ints() {
				require.Equal(t, v[i], x == 1)
			}
		}
	}
	for _, a := range want.Obsm {
		got, err := f.ObsmArray(t.Context(), a.Name)
		require.NoError(t, err)
		require.Equal(t, []int{f.NObs(), a.Cols}, got.Shape)
		for i, v := range got.Data {
			require.Equal(t, float32(i), v)
		}
	}
	got, err := f.UnsValue(t.Context(), "scgpt")
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"text": "é", "empty": "", "int": int64(3), "float": 0.5, "yes": true, "null": nil,
		"texts": []string{"a", "", "ü"}, "ints": []int64{1, 2}, "floats": []float64{0.5}, "bools": []bool{true, false},
		"nested": map[string]any{"x": 1.5},
	}, got)
}

// content describes all objects of a file by path: kind, attributes, shape and
// data.
func content(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := hdf5.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	root, err := f.Root()
	require.NoError(t, err)
	out := map[string]string{}
	var visit func(o *hdf5.Object)
	visit = func(o *hdf5.Object) {
		as, err := o.Attributes()
		require.NoError(t, err)
		for _, a := range as {
			switch {
			case a.Type.Text():
				v, err := a.Strings()
				require.NoError(t, err)
				out[o.Path()+"@"+a.Name] = fmt.Sprint(a.Type, a.Shape, v)
			case a.Type.Integer():
				v, err := a.Int64s()
				require.NoError(t, err)
				out[o.Path()+"@"+a.Name] = fmt.Sprint(a.Type, a.Shape, v)
			default:
				out[o.Path()+"@"+a.Name] = fmt.Sprint(a.Type, a.Shape)
			}
		}
		if o.Kind() == hdf5.KindDataset {
			d, err := o.Dataset()
			require.NoError(t, err)
			var v any
			if d.Type().Text() {
				v, err = d.ReadStrings(t.Context(), 0, d.Rows())
			} else {
				v, err = d.ReadBytes(t.Context(), 0, d.Rows())
			}
			require.NoError(t, err)
			out[o.Path()] = fmt.Sprint(d.Type(), d.Shape(), d.ChunkShape(), d.Filters(), v)
			return
		}
		out[o.Path()] = "group"
		ls, err := o.Links()
		require.NoError(t, err)
		for _, l := range ls {
			child, err := o.Open(l)
			require.NoError(t, err)
			visit(child)
		}
	}
	visit(root)
	return out
}

func soundFixtures(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h5adDir, "[^b]*.h5ad"))
	require.NoError(t, err)
	require.Greater(t, len(files), 40)
	return append(files, "../../testdata/cells/pbmc68k_test.h5ad")
}

// What is added is there, and everything else is as it was.
func TestCopy(t *testing.T) {
	t.Parallel()
	for _, path := range soundFixtures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			src, err := Open(path)
			require.NoError(t, err)
			defer func() { require.NoError(t, src.Close()) }()
			outdated, err := src.outdated()
			require.NoError(t, err)
			for _, deflate := range []int{0, 4} {
				dst := filepath.Join(t.TempDir(), "copy.h5ad")
				add := additions(src.NObs())
				add.Deflate = deflate
				require.NoError(t, Copy(t.Context(), src, dst, add))
				f, err := Open(dst)
				require.NoError(t, err)
				requireAdditions(t, f, add)
				order := src.Obs().Columns()
				for _, c := range add.Obs {
					if !src.Obs().Has(c.Name) {
						order = append(order, c.Name)
					}
				}
				require.Equal(t, order, f.Obs().Columns())
				require.NoError(t, f.Close())
				if outdated {
					continue // see TestCopyModernizes
				}
				got := content(t, dst)
				for path, want := range content(t, src.Path()) {
					if path != "obs@column-order" && path != "obs/n_counts" {
						require.Equal(t, want, got[path], path)
					}
					delete(got, path)
				}
				for path := range got {
					mine := strings.HasPrefix(path, "obs/new_") || strings.HasPrefix(path, "obs/n_counts") ||
						strings.HasPrefix(path, "obsm/X_new") || strings.HasPrefix(path, "obsm/X_read") || strings.HasPrefix(path, "uns/scgpt") ||
						path == "obsm" || path == "uns" || strings.HasPrefix(path, "obsm@") || strings.HasPrefix(path, "uns@")
					require.True(t, mine, path)
				}
			}
		})
	}
}

// Copying twice replaces what was added first.
func TestCopyReplaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src := openFixture(t, "today_csr_gzip.h5ad")
	first := filepath.Join(dir, "first.h5ad")
	require.NoError(t, Copy(t.Context(), src, first, Additions{
		Obs:  []NewColumn{{"new_label", make([]string, 120)}, {"donor", make([]bool, 120)}},
		Obsm: []NewArray{{Name: "X_new", Cols: 9, Data: make([]float32, 9*120)}, {Name: "X_pca", Cols: 0}},
		Uns:  map[string]any{"scgpt": "old", "info": 7},
	}))
	again, err := Open(first)
	require.NoError(t, err)
	defer func() { require.NoError(t, again.Close()) }()
	require.Equal(t, append(src.Obs().Columns(), "new_label"), again.Obs().Columns())
	donor, err := again.Obs().Column("donor")
	require.NoError(t, err)
	require.Equal(t, KindBool, donor.Kind)
	second := filepath.Join(dir, "second.h5ad")
	require.NoError(t, Copy(t.Context(), again, second, additions(120)))
	f, err := Open(second)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	requireAdditions(t, f, additions(120))
	info, err := f.UnsValue(t.Context(), "info")
	require.NoError(t, err)
	require.Equal(t, int64(7), info)
}

// Files of old releases mean the same after copying, and every element names
// its encoding.
func TestCopyModernizes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"old06_csr.h5ad", "old07_csr.h5ad", "old07_dense.h5ad"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := openFixture(t, name)
			dst := filepath.Join(t.TempDir(), "copy.h5ad")
			require.NoError(t, Copy(t.Context(), src, dst, Additions{Uns: map[string]any{"k": "v"}}))
			f, err := Open(dst)
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			outdated, err := f.outdated()
			require.NoError(t, err)
			require.False(t, outdated)
			for _, pair := range [][2]*Frame{{src.Obs(), f.Obs()}, {src.Var(), f.Var()}} {
				require.Equal(t, pair[0].Columns(), pair[1].Columns())
				require.Equal(t, pair[0].IndexName(), pair[1].IndexName())
				want, err := pair[0].Index()
				require.NoError(t, err)
				got, err := pair[1].Index()
				require.NoError(t, err)
				require.Equal(t, want, got)
				for _, name := range pair[0].Columns() {
					want, err := pair[0].Column(name)
					require.NoError(t, err)
					got, err := pair[1].Column(name)
					require.NoError(t, err)
					require.Equal(t, want, got)
				}
			}
			x, err := src.X()
			require.NoError(t, err)
			y, err := f.X()
			require.NoError(t, err)
			require.Equal(t, whole(t, x), whole(t, y))
			require.Equal(t, x.DType(), y.DType())

			all := content(t, dst)
			for path := range all {
				// The arrays of a sparse matrix have no encoding of their own.
				if strings.Contains(path, "@") || strings.HasPrefix(path, "X/") {
					continue
				}
				require.Contains(t, all, path+"@encoding-type", path)
				require.Contains(t, all, path+"@encoding-version", path)
			}
			require.NotContains(t, all, "X@h5sparse_format")
			require.NotContains(t, all, "obs/__categories")
			require.NotContains(t, all, "uns/cell_type_categories")
		})
	}
}

func TestCopyOntoItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := os.ReadFile(filepath.Join(h5adDir, "nnz0.h5ad"))
	require.NoError(t, err)
	path := filepath.Join(dir, "a.h5ad")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	require.NoError(t, os.Link(path, filepath.Join(dir, "hard.h5ad")))
	names := []string{"a.h5ad", "hard.h5ad"}
	err = os.Symlink(path, filepath.Join(dir, "soft.h5ad"))
	if runtime.GOOS != "windows" { // which wants a right for it, or says that it has made one where there is none (Wine)
		require.NoError(t, err)
		names = append(names, "soft.h5ad")
	}
	f, err := Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	for _, name := range names {
		err := Copy(t.Context(), f, filepath.Join(dir, name), Additions{})
		require.ErrorContains(t, err, "is the file that is read")
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, b, got)
}

// Whatever goes wrong, what had the final name stays and nothing else is left.
func TestNothingPartial(t *testing.T) {
	t.Parallel()
	src := openFixture(t, "csr_gzip.h5ad")
	broken := errors.New("broken")
	failing := []NewArray{{Name: "X", Cols: 2, Read: func(context.Context, int, int, []float32) error { return broken }}}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	cancelling := func(ctx context.Context) (context.Context, []NewArray) {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, []NewArray{{Name: "X", Cols: 2, Read: func(context.Context, int, int, []float32) error {
			cancel()
			return nil
		}}}
	}
	midway, cancelsMidway := cancelling(t.Context())
	for name, tc := range map[string]struct {
		ctx  context.Context
		add  Additions
		want string
	}{
		"rows fail":        {t.Context(), Additions{Obsm: failing}, "broken"},
		"cancelled":        {cancelled, Additions{}, "canceled"},
		"cancelled midway": {midway, Additions{Obsm: cancelsMidway}, "canceled"},
		"zero byte":        {t.Context(), Additions{Uns: map[string]any{"a": "\x00"}}, "zero bytes"},
		"strange type":     {t.Context(), Additions{Uns: map[string]any{"a": struct{}{}}}, "uns/a: values of type struct {} cannot be written"},
		"path as a name":   {t.Context(), Additions{Uns: map[string]any{"a/b": 1}}, `uns: "a/b" cannot be a name`},
		"column too short": {t.Context(), Additions{Obs: []NewColumn{{"c", []bool{true}}}}, "obs/c has 1 values, but there are 120 rows"},
		"column twice":     {t.Context(), Additions{Obs: []NewColumn{{"c", make([]bool, 120)}, {"c", make([]bool, 120)}}}, "obs/c: the name is taken"},
		"column of index":  {t.Context(), Additions{Obs: []NewColumn{{"_index", make([]bool, 120)}}}, "obs/_index: the name is"},
		"column of what":   {t.Context(), Additions{Obs: []NewColumn{{"c", 5}}}, "obs/c: values of type int cannot be written"},
		"no such category": {t.Context(), Additions{Obs: []NewColumn{{"c", Categories{Codes: make([]int32, 120)}}}}, "obs/c: code 0 of row 0, but there are 0 categories"},
		"category twice":   {t.Context(), Additions{Obs: []NewColumn{{"c", Categories{Names: []string{"a", "a"}, Codes: make([]int32, 120)}}}}, `obs/c: category "a" stands twice`},
		"array too short":  {t.Context(), Additions{Obsm: []NewArray{{Name: "X", Cols: 2}}}, "obsm/X has 0 values, want 120 rows of 2"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			dst := filepath.Join(dir, "out.h5ad")
			require.NoError(t, os.WriteFile(dst, []byte("before"), 0o600))
			err := Copy(tc.ctx, src, dst, tc.add)
			require.ErrorContains(t, err, tc.want)
			if name == "rows fail" {
				require.ErrorIs(t, err, broken)
			}
			err = Write(tc.ctx, dst, Results{ObsIndex: names("c", 120), Obs: tc.add.Obs, Obsm: tc.add.Obsm, Uns: tc.add.Uns})
			require.ErrorContains(t, err, tc.want)
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, left, 1)
			got, err := os.ReadFile(dst)
			require.NoError(t, err)
			require.Equal(t, "before", string(got))
		})
	}
	require.Error(t, Write(t.Context(), filepath.Join(t.TempDir(), "missing", "out.h5ad"), Results{}))
}

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, deflate := range []int{0, 6} {
		const n = 5000
		add := additions(n)
		dst := filepath.Join(t.TempDir(), "results.h5ad")
		require.NoError(t, Write(t.Context(), dst, Results{
			ObsIndex: names("cell é", n), Obs: add.Obs, Obsm: add.Obsm, Uns: add.Uns,
			VarIndex: []string{"g1", "g2"}, Var: []NewColumn{{"score", []float64{1, 2}}},
			Varm: []NewArray{{Name: "emb", Cols: 2, Data: []float32{1, 2, 3, 4}}}, Deflate: deflate,
		}))
		f, err := Open(dst)
		require.NoError(t, err)
		defer func() { require.NoError(t, f.Close()) }()
		require.Equal(t, n, f.NObs())
		requireAdditions(t, f, add)
		index, err := f.Obs().Index()
		require.NoError(t, err)
		require.Equal(t, names("cell é", n), index)
		genes, err := f.Var().Index()
		require.NoError(t, err)
		require.Equal(t, []string{"g1", "g2"}, genes)
		require.Equal(t, []string{"score"}, f.Var().Columns())
		require.False(t, f.HasX())
		outdated, err := f.outdated()
		require.NoError(t, err)
		require.False(t, outdated)

		// And it can be copied in turn.
		more := filepath.Join(t.TempDir(), "more.h5ad")
		require.NoError(t, Copy(t.Context(), f, more, Additions{Obs: []NewColumn{{"x", make([]bool, n)}}}))
		g, err := Open(more)
		require.NoError(t, err)
		defer func() { require.NoError(t, g.Close()) }()
		requireAdditions(t, g, add)
		require.True(t, g.Obs().Has("x"))
	}
}

func TestWriteNothing(t *testing.T) {
	t.Parallel()
	dst := filepath.Join(t.TempDir(), "empty.h5ad")
	require.NoError(t, Write(t.Context(), dst, Results{}))
	f, err := Open(dst)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	require.Zero(t, f.NObs())
	require.Zero(t, f.NVars())
	require.Empty(t, f.Obs().Columns())
}

func TestCheckName(t *testing.T) {
	for path, fine := range map[string]bool{
		"a.h5ad": true, "b/c.annotated.h5ad": true, "a.H5AD": false, ".h5ad": false, "a.csv": false, "a": false, "a.h5ad.gz": false, "h5ad": false, "": false, "a.h5ad/b": false,
	} {
		err := CheckName(path)
		require.Equal(t, fine, err == nil, path)
		if err != nil {
			require.ErrorContains(t, err, path+": an .h5ad file is written: want a name that ends in .h5ad")
		}
	}
}
