package storage_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/storage"
)

// layout makes root/ and outside/ side by side, and returns the roots over the
// first, both folders' paths, and whether root holds links: not every system makes
// them for everybody.
func layout(t *testing.T) (r *storage.Roots, root, outside string, links bool) {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	root, outside = filepath.Join(base, "root"), filepath.Join(base, "outside")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "sub"), 0o755))
	require.NoError(t, os.Mkdir(outside, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "a.h5ad"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "b.h5ad"), nil, 0o644))
	links = true
	for link, to := range map[string]string{"link.h5ad": filepath.Join(outside, "b.h5ad"), "linked": outside, "inner.h5ad": "a.h5ad"} {
		link = filepath.Join(root, link)
		err := os.Symlink(to, link)
		if runtime.GOOS != "windows" {
			require.NoError(t, err)
		}
		_, err = os.Lstat(link) // Wine makes some that are not there
		links = links && err == nil
	}
	r, err = storage.NewRoots(root)
	require.NoError(t, err)
	return r, root, outside, links
}

// needsLinks is a reason to skip a case of a test.
const needsLinks = "there are no symbolic links here: Windows wants a right for them, Wine makes none to folders"

func TestInput(t *testing.T) {
	r, root, outside, links := layout(t)
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
			if strings.Contains(c.name, "link") && !links {
				t.Skip(needsLinks)
			}
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
	r, root, outside, links := layout(t)
	cases := []struct{ name, path, want, problem string }{
		{"new", "x.h5ad", "x.h5ad", ""},
		{"new folders", "p/q/x.h5ad", "p/q/x.h5ad", ""},
		{"existing", "a.h5ad", "a.h5ad", ""},
		{"folder", "sub", "", "is a folder"},
		{"outside", "../outside/x.h5ad", "", "lies outside"},
		{"from the top", "/x.h5ad", "", "lies outside"},
		{"through a link", "linked/x.h5ad", "", "lies outside"},
		{"new folder through a link", "linked/new/x.h5ad", "", "lies outside"},
		{"below a file", "a.h5ad/x", "", "is a file, not a folder"},
		{"long path", strings.Repeat("a/", 3000) + "x.h5ad", "", "the path has 6006 bytes: want at most 4000"},
		{"long name", "sub/" + strings.Repeat("ä", 150) + "/x.h5ad", "", "a name in the path has 300 bytes: want at most 200"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if strings.Contains(c.name, "link") && !links {
				t.Skip(needsLinks)
			}
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
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing was made outside")
	require.NoDirExists(t, filepath.Join(root, "p"), "nothing was made inside")
	path, err := r.Output("p/q/x.h5ad")
	require.NoError(t, err)
	require.NoError(t, storage.MakeFolder(path))
	require.DirExists(t, filepath.Join(root, "p", "q"))
}

func TestDevice(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("devices are names here, which TestNamesOfWindows has")
	}
	dev, err := storage.NewRoots("/dev")
	require.NoError(t, err)
	_, err = dev.Output("/dev/null")
	require.ErrorContains(t, err, "is a device")
	_, err = dev.Input("/dev/null")
	require.ErrorContains(t, err, "is a device")
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
