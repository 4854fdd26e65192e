package storage

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithoutPrefix(t *testing.T) {
	for path, want := range map[string]string{
		`\\?\C:\x\y`:             `C:\x\y`,
		`\\?\UNC\server\share\x`: `\\server\share\x`,
		`C:\x`:                   `C:\x`,
	} {
		require.Equal(t, want, withoutPrefix(path))
	}
}
