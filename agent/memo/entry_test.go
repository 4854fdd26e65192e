package memo

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a file in the folder holds, it is refused or it is what was stored.
func FuzzReadEntry(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "x")
	require.NoError(f, os.WriteFile(path, []byte("file"), 0o644))
	files := []string{path, filepath.Join(dir, "missing")}
	e, err := newEntry([]byte(`{"agent":"a"}`), []byte(`{"text":"A"}`), files)
	require.NoError(f, err)
	whole, err := e.encode(files)
	require.NoError(f, err)
	f.Add(whole)
	f.Add(whole[:headBytes])
	f.Add([]byte(magic + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readEntry(bytesSource(data), []byte(`{"agent":"a"}`))
		out := []string{filepath.Join(t.TempDir(), "x"), filepath.Join(t.TempDir(), "y")}
		if err == nil {
			err = got.writeFiles(bytesSource(data), out)
		}
		if err != nil {
			require.ErrorIs(t, err, errDamaged)
			require.NoFileExists(t, out[0])
			return
		}
		require.Equal(t, e.Value, got.Value)
		text, err := os.ReadFile(out[0])
		require.NoError(t, err)
		require.Equal(t, "file", string(text))
	})
}
