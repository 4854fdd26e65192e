package anndata

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// withAwkward is a file with an array in obsm and receptor chains as scirpy keeps
// them since 0.13: two for the first cell and one for the last, as anndata 0.12
// writes an array of awkward.
func withAwkward() crafted {
	group := func(t *testing.T, e *elements, parts map[string]any, attrs ...hdf5.Attr) hdf5.Ref {
		t.Helper()
		var entries []hdf5.Entry
		for name, values := range parts {
			ref, ok := values.(hdf5.Ref)
			if !ok {
				var err error
				ref, err = e.list(values)
				require.NoError(t, err)
			}
			entries = append(entries, hdf5.NewEntry(name, ref))
		}
		ref, err := e.Group(entries, attrs)
		require.NoError(t, err)
		return ref
	}
	return crafted{
		cells: 3, genes: 2, x: dense(3, 2, []float64{1, 0, 0, 2, 3, 0}, 0),
		more: func(t *testing.T, e *elements) []hdf5.Entry {
			airr := group(t, e, map[string]any{"node0-offsets": []int64{0, 2, 2, 3}, "node1-data": []int64{7, 8, 9}},
				hdf5.Attr{Name: "encoding-type", Value: "awkward-array"}, hdf5.Attr{Name: "encoding-version", Value: "0.1.0"},
				hdf5.Attr{Name: "form", Value: `{"class":"ListOffsetArray","offsets":"i64","content":{"class":"NumpyArray","primitive":"int64","inner_shape":[],"parameters":{},"form_key":"node1"},"parameters":{},"form_key":"node0"}`},
				hdf5.Attr{Name: "length", Value: int64(3)})
			pca, err := e.arrays([]NewArray{{Name: "X_pca", Cols: 1, Data: []float32{1, 2, 3}}}, 3)
			require.NoError(t, err)
			obsm, err := e.dict(append(pca, hdf5.NewEntry("airr", airr)))
			require.NoError(t, err)
			return []hdf5.Entry{hdf5.NewEntry("obsm", obsm)}
		},
	}
}

// What obsm holds besides arrays is listed, copied and not read.
func TestAwkwardArray(t *testing.T) {
	t.Parallel()
	f := withAwkward().open(t)
	want := []ArrayInfo{{Name: "X_pca", Shape: []int{3, 1}, DType: "float32"}, {Name: "airr", DType: "awkward-array"}}
	infos, err := f.Obsm()
	require.NoError(t, err)
	require.Equal(t, want, infos)
	a, err := f.ObsmArray(t.Context(), "X_pca")
	require.NoError(t, err)
	require.Equal(t, []float32{1, 2, 3}, a.Data)
	_, err = f.ObsmArray(t.Context(), "airr")
	require.EqualError(t, err, f.Path()+`: obsm/airr is of the encoding "awkward-array": want an array, a frame or a sparse matrix`)
	requireInvalid(t, err)

	path := filepath.Join(t.TempDir(), "copy.h5ad")
	require.NoError(t, Copy(t.Context(), f, path, Additions{}))
	copied, err := Open(path)
	require.NoError(t, err)
	defer copied.Close()
	infos, err = copied.Obsm()
	require.NoError(t, err)
	require.Equal(t, want, infos)
}
