//go:build !windows

package retry

import "syscall"

// outOfMemory is what the system says when it has no more memory to give.
var outOfMemory = []error{syscall.ENOMEM}
