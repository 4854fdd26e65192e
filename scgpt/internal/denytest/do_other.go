//go:build !linux

package denytest

import (
	"os"
	"runtime"
	"testing"
)

// Do runs f, which must not end the test, and skips the test where the mode of a
// file does not apply.
func Do(t testing.TB, f func()) {
	t.Helper()
	switch {
	case runtime.GOOS == "windows":
		t.Skip("on Windows the rights to a file are not in its mode, so chmod takes none away")
	case os.Geteuid() == 0:
		t.Skip("root may read everything")
	}
	f()
}
