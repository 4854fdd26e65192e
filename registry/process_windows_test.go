package registry

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// What is known of processes that end in these ways: who ends a process says with
// which status.
const (
	killedWords   = "exit status 1"
	segfaultExit  = "exit status 2"
	segfaultWords = "0xc0000005"
)

func alive(pid int) bool {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return false
	}
	defer func() { _ = windows.CloseHandle(h) }()
	event, err := windows.WaitForSingleObject(h, 0)
	return err == nil && event == uint32(windows.WAIT_TIMEOUT)
}

func endAtOnce(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

var (
	ntdll            = windows.NewLazySystemDLL("ntdll.dll")
	ntSuspendProcess = ntdll.NewProc("NtSuspendProcess")
	wineGetVersion   = ntdll.NewProc("wine_get_version")
)

// freeze stops a process, which lives on.
func freeze(pid int) error {
	h, err := windows.OpenProcess(windows.PROCESS_SUSPEND_RESUME, false, uint32(pid))
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(h) }()
	if status, _, _ := ntSuspendProcess.Call(uintptr(h)); status != 0 {
		return fmt.Errorf("NtSuspendProcess: %#x", status)
	}
	return nil
}

func segfault() { *(*byte)(unsafe.Add(nil, 1<<20)) = 1 }

func pipeToParent() *os.File { return nil }

// niceness is one of those that have the priority class of this process.
func niceness() int {
	class, err := windows.GetPriorityClass(windows.CurrentProcess())
	switch {
	case err != nil:
		return -100
	case class == windows.BELOW_NORMAL_PRIORITY_CLASS:
		return 3
	}
	return 0
}

// limitsMemory: the job object does, but not that of Wine.
func limitsMemory() bool { return wineGetVersion.Find() != nil }
