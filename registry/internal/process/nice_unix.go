//go:build unix

package process

import (
	"fmt"
	"syscall"
)

// SetNice sets the niceness of this process, with all its threads: on Linux
// each has its own, and the group of a child is the child.
func SetNice(n int) error {
	if err := syscall.Setpriority(syscall.PRIO_PGRP, 0, n); err != nil {
		return fmt.Errorf("set niceness %d: %w", n, err)
	}
	return nil
}
