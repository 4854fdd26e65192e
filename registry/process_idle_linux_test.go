package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Every thread of an idle process gives way to others.
func TestIdleProcess(t *testing.T) {
	t.Parallel()
	o := inRole(t, "works")
	o.Idle = true
	reg, stop := runProcesses(t, Options{}, o)
	pid := waitReady(t, reg).Processes[0].PID
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	require.NoError(t, err)
	require.Greater(t, len(threads), 1)
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // the thread has ended
		}
		require.NoError(t, err)
		_, rest, _ := strings.Cut(string(stat), ") ") // behind the name; see proc_pid_stat(5)
		const policy = 41 - 3
		require.Equal(t, fmt.Sprint(unix.SCHED_IDLE), strings.Fields(rest)[policy], path)
	}
	require.NoError(t, stop())
}
