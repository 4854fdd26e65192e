//go:build unix

package registry

import (
	"os"
	"runtime"
	"syscall"
)

func pipeToParent() *os.File { return os.NewFile(4, "to the parent") }

// niceness is that of this process.
func niceness() int {
	n, _ := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if runtime.GOOS == "linux" { // its system call, unlike the others', tells 20 less it
		return 20 - n
	}
	return n
}
