package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
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

// A group beside that of this process is used only where it is lent.
func TestLent(t *testing.T) {
	dir := t.TempDir()
	require.False(t, lent(dir), "though this process may write there")
	require.False(t, lent(filepath.Join(dir, "none")))
	if err := unix.Setxattr(dir, "user.delegate", []byte("0"), 0); err != nil {
		t.Skip("the folder for temporary files takes no marks:", err)
	}
	require.False(t, lent(dir))
	require.NoError(t, unix.Setxattr(dir, "user.delegate", []byte("1"), 0))
	require.True(t, lent(dir))
}

// What an owner that was killed has left is removed.
func TestSweep(t *testing.T) {
	gone := exec.Command("/bin/true")
	require.NoError(t, gone.Run())
	dead, own, alive := gone.Process.Pid, os.Getpid(), os.Getppid()
	parent := t.TempDir()
	now := time.Now()
	groups := map[string]bool{ // whether it stays
		fmt.Sprintf("troupe-%d-2BADCAFE-1", dead):  false,
		fmt.Sprintf("troupe-%d-7", dead):           false, // of an older version
		fmt.Sprintf("troupe-%d-2BADCAFE-2", dead):  true,  // used
		fmt.Sprintf("troupe-%d-2BADCAFE-3", dead):  true,  // new
		fmt.Sprintf("troupe-%d-2BADCAFE-1", own):   false, // of one that had this id before
		fmt.Sprintf("troupe-%d-%s-1", own, ownTag): true,
		fmt.Sprintf("troupe-%d-2BADCAFE-1", alive): true,
		"troupe-x": true,
		"other":    true,
	}
	for name := range groups {
		path := filepath.Join(parent, name)
		require.NoError(t, os.Mkdir(path, 0o700))
		age := 2 * abandonedAge
		switch {
		case strings.HasSuffix(name, "-2"): // what it holds stands for a process
			require.NoError(t, os.WriteFile(filepath.Join(path, "cgroup.procs"), nil, 0o600))
		case strings.HasSuffix(name, "-3"):
			age = abandonedAge / 2
		}
		require.NoError(t, os.Chtimes(path, now.Add(-age), now.Add(-age)))
	}
	sweep(parent, now)
	for name, stays := range groups {
		_, err := os.Stat(filepath.Join(parent, name))
		require.Equal(t, stays, err == nil, name)
	}
}

// A group that was made, but in which nothing can be started, is done without.
func TestStartWithoutGroup(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "troupe-1")
	made := 0
	newGroup = func(int64) (*cgroup, error) {
		made++
		require.NoError(t, os.Mkdir(folder, 0o700))
		dir, err := os.Open(folder) // no control group: clone3 refuses it
		return &cgroup{path: folder, dir: dir}, err
	}
	defer func() { newGroup = newCgroup }()
	c, err := Start(Spec{Path: "/bin/true", Memory: 1 << 30})
	require.NoError(t, err)
	<-c.Exited()
	require.NoError(t, c.Close())
	require.Equal(t, "exit status 0", c.Exit())
	require.Equal(t, "rlimit", c.Limit)
	require.Equal(t, 1, made)
	require.NoDirExists(t, folder)

	_, err = Start(Spec{Path: folder, Memory: 1 << 30})
	require.ErrorIs(t, err, os.ErrNotExist)
}
