//go:build amd64 && !noasm

package kernel

import (
	"sync"
	"syscall"
)

// requestAMX asks the kernel to let this process use tiles. The permission holds
// for all threads, those to come included; the kernel refuses it where it does
// not know AMX, where a policy forbids it, or where a thread's signal stack is
// too small for the tiles (Go's have 32 KiB; tiles take 8).
var requestAMX = sync.OnceValue(func() error {
	const requestPermission, tileData = 0x1023, 18 // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, requestPermission, tileData, 0); errno != 0 {
		return errno
	}
	return nil
})
