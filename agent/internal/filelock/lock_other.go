//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package filelock

import (
	"fmt"
	"os"
	"runtime"
)

// Try fails: there are no locks.
func Try(*os.File, bool) error {
	return fmt.Errorf("no file locks that die with their process on %s", runtime.GOOS)
}

// Unlock does nothing: there are no locks.
func Unlock(*os.File) {}
