//go:build unix

package process

import (
	"fmt"
	"syscall"
)

// SetNice sets the niceness of this process, with all its threads: on Linux
// each has its own, and the group of a child is the child.
func SetNice(n int) error {
	return setNice(0, n)
}

// setNice sets the niceness of a group; 0 is that of this process.
func setNice(group, n int) error {
	if err := syscall.Setpriority(syscall.PRIO_PGRP, group, n); err != nil {
		return fmt.Errorf("set niceness %d: %w", n, err)
	}
	return nil
}

// prioritize gives a child that has just been started its priority, so that it has
// it while it starts. The child does so again, and tells of what does not work.
func prioritize(pid int, s Spec) error {
	switch {
	case s.Idle:
		return setIdle(pid)
	case s.Nice != 0:
		return setNice(pid, s.Nice)
	}
	return nil
}
