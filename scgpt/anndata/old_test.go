package anndata

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Files that old releases wrote themselves, read and brought to today's
// encodings by Copy.
func TestOldReleases(t *testing.T) {
	t.Parallel()
	for name, info := range map[string]map[string]any{
		// anndata 0.6 wrote a single value as a list of one.
		"anndata_0.6.22.h5ad": {"k": []string{"v"}, "n": []int64{3}, "nested": map[string]any{"x": []float64{1}}},
		"anndata_0.7.8.h5ad":  {"k": "v", "n": int64(3), "nested": map[string]any{"x": 1.0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, err := Open(filepath.Join("testdata", name))
			require.NoError(t, err)
			defer func() { require.NoError(t, src.Close()) }()
			requireOld(t, src, info)

			dst := filepath.Join(t.TempDir(), "copy.h5ad")
			add := additions(src.NObs())
			require.NoError(t, Copy(t.Context(), src, dst, add))
			f, err := Open(dst)
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			requireOld(t, f, info)
			requireAdditions(t, f, add)

			all := content(t, dst)
			for path := range all {
				name := path[strings.LastIndexByte(path, '/')+1:]
				if strings.Contains(path, "@") || name == "data" || name == "indices" || name == "indptr" {
					continue
				}
				require.Contains(t, all, path+"@encoding-type", path)
			}
			require.Contains(t, all["@encoding-type"], "anndata")
			require.Contains(t, all["raw@encoding-type"], "raw")
			require.Contains(t, all["obsm@encoding-type"], "dict")
			require.Contains(t, all["obs@encoding-version"], "0.2.0")
			require.Contains(t, all["uns/sparse@encoding-type"], "csr_matrix")
			require.Contains(t, all["uns/records@encoding-type"], "rec-array")
			for _, gone := range []string{"raw.X", "raw.var", "uns/kind_categories", "obs/__categories", "uns/sparse@h5sparse_format"} {
				require.NotContains(t, all, gone)
			}
		})
	}
}

// requireOld checks what make_old.py puts into a file.
func requireOld(t *testing.T, f *File, wantInfo map[string]any) {
	t.Helper()
	require.Equal(t, 12, f.NObs())
	require.Equal(t, 8, f.NVars())
	names, err := f.Obs().Index()
	require.NoError(t, err)
	require.Equal(t, "cell11", names[11])
	for column, want := range map[string]struct {
		kind  Kind
		texts []string
	}{
		"kind":   {KindCategorical, []string{"a", "b é", "c", "", "b é"}},
		"single": {KindCategorical, []string{"only", "only"}},
		"half":   {KindFloat, []string{"0", "0.5", "1"}},
		"number": {KindInt, []string{"0", "1", "2"}},
		"even":   {KindBool, []string{"True", "False"}},
		"text":   {KindString, []string{"t0 é", "t1 é"}},
	} {
		c, err := f.Obs().Column(column)
		require.NoError(t, err)
		require.Equal(t, want.kind, c.Kind, column)
		require.Equal(t, want.texts, c.Strings()[:len(want.texts)], column)
	}
	raw, err := f.Raw()
	require.NoError(t, err)
	for _, fr := range []*Frame{f.Var(), raw.Var()} {
		c, err := fr.Column("group")
		require.NoError(t, err)
		require.Equal(t, []string{"x", "y", "x"}, c.Strings()[:3])
	}
	x, err := f.X()
	require.NoError(t, err)
	want := whole(t, x)
	require.Equal(t, []int32{3, 6}, want.Indices[:2])
	require.Equal(t, []float32{3, 1}, want.Values[:2])
	requireBlocks(t, want, raw.X())
	counts, err := f.Layer("counts")
	require.NoError(t, err)
	requireBlocks(t, want, counts)

	for name, want := range map[string]bool{"X_pca": true, "nothing": false} {
		there, err := f.HasObsm(name)
		require.NoError(t, err)
		require.Equal(t, want, there, name)
	}
	infos, err := f.Obsm()
	require.NoError(t, err)
	shapes := map[string][]int{}
	for _, info := range infos {
		shapes[info.Name] = info.Shape
	}
	require.Equal(t, []int{12, 4}, shapes["X_pca"])
	require.Equal(t, []int{12, 2}, shapes["X_umap"])
	pca, err := f.ObsmArray(t.Context(), "X_pca")
	require.NoError(t, err)
	require.Equal(t, []float32{0, 0.5, 1, 1.5}, pca.Data[:4])
	_, err = f.ObsmArray(t.Context(), "nothing")
	require.ErrorIs(t, err, ErrNotFound)
	info, err := f.UnsValue(t.Context(), "info")
	require.NoError(t, err)
	require.Equal(t, wantInfo, info)
}
