//go:build unix

package processtest

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// What is known of processes that end in these ways.
const (
	KilledExit    = "signal: killed"
	SegfaultExit  = "exit status 2"
	SegfaultWords = "SIGSEGV: segmentation violation"
)

// Alive reports whether there is a process with the id. One that has ended and for
// which nobody has waited yet is not, where /proc tells.
func Alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ") // behind the name
	return err != nil || !strings.HasPrefix(state, "Z")
}

// Kill ends a process at once.
func Kill(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }

// Freeze stops a process, which lives on.
func Freeze(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) }

// Thaw has a frozen process go on.
func Thaw(pid int) error { return syscall.Kill(pid, syscall.SIGCONT) }

// Segfault ends this process by a wrong address.
func Segfault() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
	select {}
}

// LimitsMemory reports whether something keeps a process to its memory limit.
func LimitsMemory() bool { return CountsMemory }
