package integration

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// cpuTime is what this process has used so far.
func cpuTime() time.Duration { return cpuTimeOf(os.Getpid()) }

// cpuTimeOf is what a process has used so far; 0 if it cannot be asked.
func cpuTimeOf(pid int) time.Duration {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return 0
	}
	defer func() { _ = windows.CloseHandle(h) }()
	var begun, ended, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &begun, &ended, &kernel, &user); err != nil {
		return 0
	}
	// A duration in units of 100 ns, not a time: Nanoseconds would count from 1601.
	units := func(f windows.Filetime) time.Duration {
		return time.Duration(int64(f.HighDateTime)<<32 | int64(f.LowDateTime))
	}
	return 100 * (units(kernel) + units(user))
}

// interruptible prepares a program for interrupt, which asks it to end: with a group
// of its own, Ctrl-Break is its alone.
func interruptible(program *exec.Cmd) {
	program.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

func interrupt(program *exec.Cmd) error {
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(program.Process.Pid))
}

func becomeUser(int) error { return errors.ErrUnsupported }
