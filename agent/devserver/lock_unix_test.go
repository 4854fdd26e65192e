//go:build unix

package devserver

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A child process has every file of its parent open until it runs its own program.
func TestLockIsNotLeftToAChildInTheMaking(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "t.db")
	lock, err := lockFile(db)
	require.NoError(t, err)
	inChild, err := syscall.Dup(int(lock.file.Fd()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Close(inChild)) })

	require.NoError(t, lock.release())
	again, err := lockFile(db)
	require.NoError(t, err)
	require.NoError(t, again.release())
}
