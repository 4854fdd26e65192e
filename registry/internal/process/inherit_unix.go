//go:build unix

package process

import (
	"os"
	"os/exec"
	"syscall"
)

// bequeath lets the child inherit the files; they are its 3 and 4.
func bequeath(cmd *exec.Cmd, r, w *os.File) (handles string, err error) {
	cmd.ExtraFiles = []*os.File{r, w}
	return "3:4", nil
}

func keepFromChildren(fd uintptr) { syscall.CloseOnExec(int(fd)) }

// openPipe returns a file whose reads do not occupy a thread.
func openPipe(fd uintptr, name string) *os.File {
	_ = syscall.SetNonblock(int(fd), true)
	return os.NewFile(fd, name)
}
