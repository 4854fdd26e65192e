package denytest

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// nobody owns no file.
const nobody = 65534

// Do runs f, which must not end the test and must not leave its goroutine, as a
// user to whom a file's mode applies.
func Do(t testing.TB, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Not unlocked: the thread, whose user is another one now, ends
		// with the goroutine.
		runtime.LockOSThread()
		_, _ = unix.SetfsuidRetUid(nobody)
		if is, _ := unix.SetfsuidRetUid(-1); is != nobody { // the call itself has no errors
			t.Errorf("files are used as user %d, want %d", is, nobody)
			return
		}
		f()
	}()
	<-done
}
