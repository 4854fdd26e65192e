//go:build unix && !linux

package process

import "syscall"

// dieWithParent does nothing: the child sees its pipe end.
func dieWithParent(*syscall.SysProcAttr) {}

// canLimit is false: macOS and the BSDs count private mappings, of which Go's heap
// consists, for no limit of a process, or (FreeBSD's RLIMIT_AS) together with all
// addresses that Go merely reserves. GOMEMLIMIT remains.
const canLimit = false

// LimitMemory does nothing on this system.
func LimitMemory(int64) error { return nil }

func resident() int64 { return 0 }

// cgroup does not exist on this system.
type cgroup struct{}

func newCgroup(int64) (*cgroup, error)     { return nil, nil }
func (*cgroup) place(*syscall.SysProcAttr) {}
func (*cgroup) outOfMemory() string        { return "" }
func (*cgroup) remove() error              { return nil }
