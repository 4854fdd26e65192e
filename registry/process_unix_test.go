//go:build unix

package registry

import (
	"os"
	"runtime"
	"syscall"
)

// What is known of processes that end in these ways.
const (
	killedWords   = "signal: killed"
	segfaultExit  = "exit status 2"
	segfaultWords = "SIGSEGV: segmentation violation"
)

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func endAtOnce(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }

// freeze stops a process, which lives on.
func freeze(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) }

func segfault() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
	select {}
}

func pipeToParent() *os.File { return os.NewFile(4, "to the parent") }

// niceness is that of this process.
func niceness() int {
	n, _ := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if runtime.GOOS == "linux" { // its system call, unlike the others', tells 20 less it
		return 20 - n
	}
	return n
}

func limitsMemory() bool { return runtime.GOOS == "linux" }
