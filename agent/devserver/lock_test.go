package devserver

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLock(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "t.db")
	first, err := lockFile(db)
	require.NoError(t, err)

	_, err = lockFile(db)
	require.Equal(t, &InUseError{DBFile: db, PID: os.Getpid()}, err)
	require.NoError(t, first.describe("127.0.0.1:7233"))
	_, err = lockFile(db)
	require.Equal(t, &InUseError{DBFile: db, PID: os.Getpid(), HostPort: "127.0.0.1:7233"}, err)

	require.NoError(t, first.release())
	second, err := lockFile(db)
	require.NoError(t, err)
	require.NoError(t, second.release())
}

func TestInUseError(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]InUseError{
		"database file t.db is in use by another process":                                                   {DBFile: "t.db"},
		"database file t.db is in use by process 1":                                                         {DBFile: "t.db", PID: 1},
		"database file t.db is in use by process 1, which serves it at 127.0.0.1:7233":                      {DBFile: "t.db", PID: 1, HostPort: "127.0.0.1:7233"},
		"database file t.db is in use by another server of this process, which serves it at 127.0.0.1:7233": {DBFile: "t.db", PID: os.Getpid(), HostPort: "127.0.0.1:7233"},
	} {
		require.EqualError(t, &err, want)
	}
}

func TestReadHolder(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]InUseError{
		"":                           {},
		"pid":                        {},
		"pid x\naddress":             {},
		"pid 12\n":                   {PID: 12},
		"pid 12\naddress [::1]:1\n?": {PID: 12, HostPort: "[::1]:1"},
	} {
		name := filepath.Join(t.TempDir(), "lock")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		file, err := os.Open(name)
		require.NoError(t, err)
		pid, hostPort := readHolder(file)
		require.NoError(t, file.Close())
		require.Equal(t, want, InUseError{PID: pid, HostPort: hostPort}, text)
	}
}

func TestURIPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/data/t.db":        "/data/t.db",
		"/data/100%?#&=.db": "/data/100%25%3f%23&=.db",
		"/data/ä b/%3f.db":  "/data/ä b/%253f.db",
		"//host/share/t.db": "//host/share/t.db",
	} {
		require.Equal(t, want, uriPath(in))
	}
	if runtime.GOOS == "windows" {
		require.Equal(t, "/C:/data/t.db", uriPath(`C:\data\t.db`))
	}
}
