package mmap

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, content := range []string{"", "x", "some bytes\n"} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		f, err := Open(path)
		require.NoError(t, err)
		require.Equal(t, content, string(f.Bytes()))
		require.NoError(t, f.Close())
		require.NoError(t, f.Close())
		require.Nil(t, f.Bytes())
	}
	_, err := Open(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Open(dir)
	require.ErrorContains(t, err, "not a regular file")
}

func TestReadIsTheSame(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, []byte("content"), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	whole, err := read(f, 7)
	require.NoError(t, err)
	require.Equal(t, "content", string(whole.Bytes()))
	whole.Discard(whole.Bytes())
	require.Equal(t, "content", string(whole.Bytes()))
	require.NoError(t, whole.Close())
	_, err = read(f, 7)
	require.Error(t, err, "the file ends early")
}

// What was discarded is read again, and nothing beside it is touched.
func TestDiscard(t *testing.T) {
	t.Parallel()
	content := make([]byte, 5*os.Getpagesize()+100)
	for i := range content {
		content[i] = byte(i * 7)
	}
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	f, err := Open(path)
	require.NoError(t, err)
	for _, part := range [][2]int{{0, len(content)}, {1, 2}, {100, 3 * os.Getpagesize()}, {7, 7}} {
		f.Discard(f.Bytes()[part[0]:part[1]])
		require.Equal(t, content, f.Bytes())
	}
	ours := append([]byte{}, content...)
	f.Discard(ours)
	require.Equal(t, content, ours)
	require.NoError(t, f.Close())
	f.Discard(nil)
}
