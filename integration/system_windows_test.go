package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"

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

// alive reports whether there is a process with the id.
func alive(pid int) bool {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return false
	}
	defer func() { _ = windows.CloseHandle(h) }()
	event, err := windows.WaitForSingleObject(h, 0)
	return err == nil && event == uint32(windows.WAIT_TIMEOUT)
}

var (
	ntdll            = windows.NewLazySystemDLL("ntdll.dll")
	ntSuspendProcess = ntdll.NewProc("NtSuspendProcess")
	ntResumeProcess  = ntdll.NewProc("NtResumeProcess")
	wineGetVersion   = ntdll.NewProc("wine_get_version")
)

// freeze stops a process, which lives on; thaw has it go on.
func freeze(pid int) error { return callOn(pid, ntSuspendProcess) }
func thaw(pid int) error   { return callOn(pid, ntResumeProcess) }

func callOn(pid int, f *windows.LazyProc) error {
	h, err := windows.OpenProcess(windows.PROCESS_SUSPEND_RESUME, false, uint32(pid))
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(h) }()
	if status, _, _ := f.Call(uintptr(h)); status != 0 {
		return fmt.Errorf("%s: %#x", f.Name, status)
	}
	return nil
}

// interruptible prepares a program for interrupt, which asks it to end: with a group
// of its own, Ctrl-Break is its alone.
func interruptible(program *exec.Cmd) {
	program.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

func interrupt(program *exec.Cmd) error {
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(program.Process.Pid))
}

func segfault() { *(*byte)(unsafe.Add(nil, 1<<20)) = 1 }

// limitsMemory reports whether something keeps a process to its memory limit: a job
// object does, but not that of Wine.
func limitsMemory() bool { return wineGetVersion.Find() != nil }

func becomeUser(int) error { return errors.ErrUnsupported }
