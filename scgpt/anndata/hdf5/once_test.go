package hdf5

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// flaky is a disk that fails while it is told to.
type flaky struct {
	*os.File
	fails atomic.Bool
}

var errDisk = errors.New("input/output error")

func (f *flaky) ReadAt(p []byte, off int64) (int, error) {
	if f.fails.Load() {
		return 0, errDisk
	}
	return f.File.ReadAt(p, off)
}

// What a disk or a network failed to give once is asked for again.
func TestErrorsOfReadsAreNotKept(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, name string) (*File, *flaky) {
		t.Helper()
		r, err := os.Open(filepath.Join("testdata", name))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, r.Close()) })
		info, err := r.Stat()
		require.NoError(t, err)
		disk := &flaky{File: r}
		f, err := NewFile(name, disk, info.Size())
		require.NoError(t, err)
		return f, disk
	}
	t.Run("index of chunks", func(t *testing.T) {
		f, disk := open(t, "btree2.h5")
		d := dataset(t, f, "x")
		disk.fails.Store(true)
		require.ErrorIs(t, d.ReadInt64s(t.Context(), make([]int64, 4000), 0, 40), errDisk)
		disk.fails.Store(false)
		require.Equal(t, count(4000), int64s(t, d))
		first, err := d.table()
		require.NoError(t, err)
		again, err := d.table()
		require.NoError(t, err)
		require.Same(t, first, again, "read once")
	})
	t.Run("table of shared messages", func(t *testing.T) {
		f, disk := open(t, "shared.h5")
		disk.fails.Store(true)
		_, err := f.shared.get(f.readSharedTable)
		require.ErrorIs(t, err, errDisk)
		disk.fails.Store(false)
		heaps, err := f.shared.get(f.readSharedTable)
		require.NoError(t, err)
		require.NotEmpty(t, heaps)
	})
}
