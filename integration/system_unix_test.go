//go:build unix

package integration

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuTimeOf is what another process has used so far, in hundredths of a second; 0
// where the system has no /proc that would tell.
func cpuTimeOf(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, text, _ = bytes.Cut(text, []byte(") ")) // behind the name, the third field
	fields := strings.Fields(string(text))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// alive reports whether there is a process with the id.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// becomeUser gives up root's rights for those of a user.
func becomeUser(id int) error { return syscall.Setuid(id) }
