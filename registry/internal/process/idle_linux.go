package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// SetIdle has this process run only while nobody else wants the processor.
func SetIdle() error { return setIdle(os.Getpid()) }

// setIdle gives the policy to every thread, which hand it on to those that they
// start: it is done when no thread is new.
func setIdle(pid int) error {
	idle := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
	for known := map[int]bool{}; ; {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return fmt.Errorf("set the policy SCHED_IDLE: %w", err)
		}
		before := len(known)
		for _, t := range threads {
			tid, err := strconv.Atoi(t.Name())
			if err != nil || known[tid] {
				continue
			}
			if err := unix.SchedSetAttr(tid, idle, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("set the policy SCHED_IDLE: %w", err)
			}
			known[tid] = true
		}
		if len(known) == before {
			return nil
		}
	}
}
