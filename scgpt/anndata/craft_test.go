package anndata

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata/hdf5"
)

// A crafted is an .h5ad file made for a test, sound or not.
type crafted struct {
	cells, genes int
	// x writes X; nil leaves it out.
	x func(t *testing.T, e *elements) hdf5.Ref
	// more entries of the root
	more func(t *testing.T, e *elements) []hdf5.Entry
}

func names(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = prefix + strconv.Itoa(i)
	}
	return out
}

func (c crafted) path(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crafted.h5ad")
	out, err := os.Create(path)
	require.NoError(t, err)
	e := &elements{Writer: hdf5.Create(out), ctx: t.Context()}
	obs, err := e.frame(names("cell", c.cells), nil)
	require.NoError(t, err)
	vars, err := e.frame(names("gene", c.genes), nil)
	require.NoError(t, err)
	entries := []hdf5.Entry{hdf5.NewEntry("obs", obs), hdf5.NewEntry("var", vars)}
	if c.x != nil {
		entries = append(entries, hdf5.NewEntry("X", c.x(t, e)))
	}
	if c.more != nil {
		entries = append(entries, c.more(t, e)...)
	}
	root, err := e.Group(entries, encoded("anndata"))
	require.NoError(t, err)
	require.NoError(t, e.Finish(root))
	require.NoError(t, out.Close())
	return path
}

func (c crafted) open(t *testing.T) *File {
	t.Helper()
	f, err := Open(c.path(t), WithTempDir(t.TempDir()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// sparse writes a sparse matrix from its parts as they are.
func sparse(format string, shape []int64, data []float32, indices, indptr []int64) func(*testing.T, *elements) hdf5.Ref {
	return func(t *testing.T, e *elements) hdf5.Ref {
		t.Helper()
		var parts []hdf5.Entry
		for name, values := range map[string]any{"data": data, "indices": indices, "indptr": indptr} {
			ref, err := e.list(values)
			require.NoError(t, err)
			parts = append(parts, hdf5.NewEntry(name, ref))
		}
		ref, err := e.Group(parts, encoded(format+"_matrix", hdf5.Attr{Name: "shape", Value: shape}))
		require.NoError(t, err)
		return ref
	}
}

// dense writes a dense matrix of float64, compressed in chunks of about the
// given size.
func dense(rows, cols int, values []float64, chunkBytes int) func(*testing.T, *elements) hdf5.Ref {
	return func(t *testing.T, e *elements) hdf5.Ref {
		t.Helper()
		var b []byte
		for _, v := range values {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		ref, err := e.Dataset(hdf5.DatasetSpec{Type: hdf5.TypeFloat64, Shape: []int{rows, cols}, Deflate: 1, ChunkBytes: chunkBytes,
			Attrs: encoded("array")}, b)
		require.NoError(t, err)
		return ref
	}
}

// replaced writes the file with entries of the root replaced.
func (c crafted) replaced(t *testing.T, entries func(*testing.T, *elements) []hdf5.Entry) string {
	t.Helper()
	src, err := hdf5.Open(c.path(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, src.Close()) }()
	path := filepath.Join(t.TempDir(), "replaced.h5ad")
	out, err := os.Create(path)
	require.NoError(t, err)
	w, err := hdf5.Extend(t.Context(), out, src)
	require.NoError(t, err)
	e := &elements{Writer: w, ctx: t.Context()}
	root, err := src.Root()
	require.NoError(t, err)
	ref, err := w.Edit(root, hdf5.Edit{Entries: entries(t, e)})
	require.NoError(t, err)
	require.NoError(t, w.Finish(ref))
	require.NoError(t, out.Close())
	return path
}
