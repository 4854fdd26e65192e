//go:build !unix

package integration

import (
	"errors"
	"os"
	"time"
)

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }

func cpuTimeOf(int) time.Duration { return 0 }

// alive reports whether there is a process with the id.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err == nil {
		_ = p.Release()
	}
	return err == nil
}

func becomeUser(int) error { return errors.ErrUnsupported }
