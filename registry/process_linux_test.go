package registry

import "golang.org/x/sys/unix"

// withoutDeathSignal undoes what the parent has set for this process.
func withoutDeathSignal() error { return unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0) }
