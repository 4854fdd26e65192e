package registry

import (
	"fmt"
	"runtime/debug"
)

// guard calls f, which is not the registry's own code, and returns its panic
// as an error.
func guard(what string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %w", what, &PanicError{Value: r, Stack: debug.Stack()})
		}
	}()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
