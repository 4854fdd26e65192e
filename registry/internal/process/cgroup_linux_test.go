package process

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A folder stands for the hierarchy: it shows which files are written, and what
// is said of a kill. That the kernel heeds them is the kernel's.
func TestCgroupFiles(t *testing.T) {
	parent := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(parent, name), []byte(text), 0o600))
	}
	_, err := makeGroup(parent, 1<<30)
	require.ErrorContains(t, err, "cgroup.subtree_control")

	write("cgroup.subtree_control", "cpu memory pids\n")
	_, err = makeGroup(parent, 1<<30)
	require.ErrorContains(t, err, "memory.max", "a folder makes no files by itself")
	groups, err := filepath.Glob(filepath.Join(parent, "troupe-*"))
	require.NoError(t, err)
	require.Empty(t, groups, "what was begun is removed")

	g := &cgroup{path: parent}
	require.Empty(t, g.outOfMemory())
	write("memory.max", "1073741824\n")
	write("memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 0\n")
	require.Empty(t, g.outOfMemory())
	write("memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 1\n")
	require.Equal(t, "out of memory: limit 1073741824 bytes", g.outOfMemory())
	require.Empty(t, (*cgroup)(nil).outOfMemory())
	require.NoError(t, (*cgroup)(nil).remove())
}

func TestOwnGroup(t *testing.T) {
	_, err := ownGroup(t.TempDir(), "0::/\n")
	require.ErrorContains(t, err, "is not the hierarchy of control groups version 2")
}

// Where this machine lends out memory limits, a child is limited by one.
func TestCgroup(t *testing.T) {
	g, err := newCgroup(64 << 20)
	if err != nil {
		t.Skip("no control group to be had here, so RLIMIT_DATA is used:", err)
	}
	limit, err := os.ReadFile(filepath.Join(g.path, "memory.max"))
	require.NoError(t, err)
	require.Equal(t, "67108864\n", string(limit))
	require.NoError(t, g.remove())
	require.NoDirExists(t, g.path)
}
