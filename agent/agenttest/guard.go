package agenttest

import (
	"fmt"
	"runtime/debug"
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
