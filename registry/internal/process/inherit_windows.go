package process

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// bequeath lets the child inherit the files, under the handles that they have
// here.
func bequeath(cmd *exec.Cmd, r, w *os.File) (handles string, err error) {
	for _, f := range []*os.File{r, w} {
		h := windows.Handle(f.Fd())
		if err := windows.SetHandleInformation(h, windows.HANDLE_FLAG_INHERIT, windows.HANDLE_FLAG_INHERIT); err != nil {
			return "", fmt.Errorf("let the child inherit a pipe: %w", err)
		}
		cmd.SysProcAttr.AdditionalInheritedHandles = append(cmd.SysProcAttr.AdditionalInheritedHandles, syscall.Handle(h))
	}
	return fmt.Sprintf("%d:%d", r.Fd(), w.Fd()), nil
}

func keepFromChildren(h uintptr) {
	_ = windows.SetHandleInformation(windows.Handle(h), windows.HANDLE_FLAG_INHERIT, 0)
}

func openPipe(h uintptr, name string) *os.File { return os.NewFile(h, name) }
