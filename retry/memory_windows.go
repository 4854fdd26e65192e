package retry

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// outOfMemory is what the system says when it has no more memory to give.
var outOfMemory = []error{
	syscall.ENOMEM, windows.ERROR_NOT_ENOUGH_MEMORY, windows.ERROR_OUTOFMEMORY, windows.ERROR_COMMITMENT_LIMIT,
}
