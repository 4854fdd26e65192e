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
	data, release, err := read(f, 7)
	require.NoError(t, err)
	require.Equal(t, "content", string(data))
	require.NoError(t, release())
	_, _, err = read(f, 7)
	require.Error(t, err, "the file ends early")
}
