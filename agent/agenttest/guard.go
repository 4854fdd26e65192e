package agenttest

import (
	"fmt"
	"runtime/debug"
	"time"
)

// guard calls f; a panic becomes the error.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}

// within calls f, whose panic becomes the error, and waits for it no longer
// than limit.
func within(limit time.Duration, f func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- guard(f) }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return fmt.Errorf("it did not return within %v", limit)
	}
}
