package storage_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// layout makes root/ and outside/ side by side, and returns the roots over the
// first and both folders' paths.
func layout(t *testing.T) (r *storage.Roots, root, outside string) {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	root, outside = filepath.Join(base, "root"), filepath.Join(base, "outside")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "sub"), 0o755))
	require.NoError(t, os.Mkdir(outside, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "a.h5ad"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "b.h5ad"), nil, 0o644))
	require.NoError(t, os.Symlink(filepath.Join(outside, "b.h5ad"), filepath.Join(root, "link.h5ad")))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "linked")))
	require.NoError(t, os.Symlink("a.h5ad", filepath.Join(root, "inner.h5ad")))
	r, err = storage.NewRoots(root)
	require.NoError(t, err)
	return r, root, outside
}

func TestInput(t *testing.T) {
	r, root, outside := layout(t)
	cases := []struct{ name, path, want, problem string }{
		{"relative", "a.h5ad", "a.h5ad", ""},
		{"absolute", filepath.Join(root, "a.h5ad"), "a.h5ad", ""},
		{"dots inside", "sub/../a.h5ad", "a.h5ad", ""},
		{"link inside", "inner.h5ad", "a.h5ad", ""},
		{"empty", "", "", "is empty"},
		{"zero byte", "a\x00", "", "zero byte"},
		{"scheme", "s3://bucket/a.h5ad", "", "the scheme s3:// is not supported"},
		{"folder", "sub", "", "is a folder"},
		{"dots outside", "../outside/b.h5ad", "", "lies outside"},
		{"absolute outside", filepath.Join(outside, "b.h5ad"), "", "lies outside"},
		{"missing outside", filepath.Join(outside, "none"), "", "lies outside"},
		{"link outside", "link.h5ad", "", "lies outside"},
		{"folder link outside", "linked/b.h5ad", "", "lies outside"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := r.Input(c.path)
			if c.problem == "" {
				require.NoError(t, err)
				require.Equal(t, filepath.Join(root, c.want), got)
				return
			}
			var bad *storage.Error
			require.ErrorAs(t, err, &bad)
			require.Equal(t, "InvalidDataError", bad.ErrorType())
			require.ErrorContains(t, err, c.problem)
		})
	}
	_, err := r.Input("none.h5ad")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.EqualError(t, err, "open none.h5ad: file does not exist")
}

func TestOutput(t *testing.T) {
	r, root, outside := layout(t)
	cases := []struct{ name, path, want, problem string }{
		{"new", "x.h5ad", "x.h5ad", ""},
		{"new folders", "p/q/x.h5ad", "p/q/x.h5ad", ""},
		{"existing", "a.h5ad", "a.h5ad", ""},
		{"folder", "sub", "", "is a folder"},
		{"outside", "../outside/x.h5ad", "", "lies outside"},
		{"through a link", "linked/x.h5ad", "", "lies outside"},
		{"new folder through a link", "linked/new/x.h5ad", "", "lies outside"},
		{"below a file", "a.h5ad/x", "", "is a file, not a folder"},
		{"long path", strings.Repeat("a/", 3000) + "x.h5ad", "", "the path has 6006 bytes: want at most 4000"},
		{"long name", "sub/" + strings.Repeat("ä", 150) + "/x.h5ad", "", "a name in the path has 300 bytes: want at most 200"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := r.Output(c.path)
			if c.problem == "" {
				require.NoError(t, err)
				require.Equal(t, filepath.Join(root, c.want), got)
				require.NoError(t, storage.CheckWritable(got))
				return
			}
			require.ErrorContains(t, err, c.problem)
		})
	}
	for path, kind := range map[string]string{"/dev/null": "device"} {
		dev, err := storage.NewRoots(filepath.Dir(path))
		require.NoError(t, err)
		_, err = dev.Output(path)
		require.ErrorContains(t, err, "is a "+kind)
		_, err = dev.Input(path)
		require.ErrorContains(t, err, "is a "+kind)
	}
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing was made outside")
	require.NoDirExists(t, filepath.Join(root, "p"), "nothing was made inside")
	path, err := r.Output("p/q/x.h5ad")
	require.NoError(t, err)
	require.NoError(t, storage.MakeFolder(path))
	require.DirExists(t, filepath.Join(root, "p", "q"))
}

func TestNewRoots(t *testing.T) {
	_, err := storage.NewRoots()
	require.ErrorContains(t, err, "at least one")
	_, err = storage.NewRoots(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	file := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err = storage.NewRoots(file)
	require.ErrorContains(t, err, "is not a folder")
}
