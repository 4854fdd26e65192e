//go:build unix

package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
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

// statOf is what /proc tells of a process from its state on; nil where there is no
// such process, or no /proc.
func statOf(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, text, _ = bytes.Cut(text, []byte(") ")) // behind the name, the third field
	fields := strings.Fields(string(text))
	if len(fields) < 13 {
		return nil
	}
	return fields
}

// cpuTimeOf is what another process has used so far, in hundredths of a second; 0
// where the system has no /proc that would tell.
func cpuTimeOf(pid int) time.Duration {
	stat := statOf(pid)
	if stat == nil {
		return 0
	}
	user, _ := strconv.Atoi(stat[11])
	system, _ := strconv.Atoi(stat[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// interruptible prepares a program for interrupt, which asks it to end.
func interruptible(*exec.Cmd)           {}
func interrupt(program *exec.Cmd) error { return program.Process.Signal(syscall.SIGTERM) }

// becomeUser gives up root's rights for those of a user.
func becomeUser(id int) error { return syscall.Setuid(id) }
