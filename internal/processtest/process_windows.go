package processtest

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// What is known of processes that end in these ways: who ends a process says with
// which status.
const (
	KilledExit    = "exit status 1"
	SegfaultExit  = "exit status 2"
	SegfaultWords = "0xc0000005"
)

// Alive reports whether there is a process with the id.
func Alive(pid int) bool {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return false
	}
	defer func() { _ = windows.CloseHandle(h) }()
	event, err := windows.WaitForSingleObject(h, 0)
	return err == nil && event == uint32(windows.WAIT_TIMEOUT)
}

// Kill ends a process at once.
func Kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

var (
	ntdll            = windows.NewLazySystemDLL("ntdll.dll")
	ntSuspendProcess = ntdll.NewProc("NtSuspendProcess")
	ntResumeProcess  = ntdll.NewProc("NtResumeProcess")
	wineGetVersion   = ntdll.NewProc("wine_get_version")
)

// Freeze stops a process, which lives on.
func Freeze(pid int) error { return call(ntSuspendProcess, pid) }

// Thaw has a frozen process go on.
func Thaw(pid int) error { return call(ntResumeProcess, pid) }

func call(f *windows.LazyProc, pid int) error {
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

// Segfault ends this process by a wrong address.
func Segfault() { *(*byte)(unsafe.Add(nil, 1<<20)) = 1 }

// LimitsMemory reports whether something keeps a process to its memory limit: a job
// object does, but not that of Wine.
func LimitsMemory() bool { return wineGetVersion.Find() != nil }
