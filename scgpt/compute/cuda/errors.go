package cuda

import (
	"errors"
	"fmt"
	"slices"
)

// Codes of the driver that this package acts upon.
const codeOutOfMemory = 2

// lostCodes are the driver's errors after which a context cannot be used any
// more: every call returns the same one.
var lostCodes = []int{
	46,                 // device unavailable
	214, 215, 220, 226, // ECC, NVLink, containment
	700, 702, 709, 710, // illegal address, time-out, destroyed context, assert
	714, 715, 716, 717, 718, 719, // stack, instruction, alignment, address space, program counter, launch
	999, // unknown
}

// callError is a call of the driver or of one of its libraries that failed.
type callError struct {
	device string
	// call is the function with the sizes that matter.
	call string
	// library is "CUDA", "cuBLAS", "cuDNN" or "NVRTC".
	library string
	code    int
	name    string
}

func (e *callError) Error() string {
	return fmt.Sprintf("%s: %s: %s error %d (%s)", e.device, e.call, e.library, e.code, e.name)
}

func (e *callError) lost() bool { return e.library == "CUDA" && slices.Contains(lostCodes, e.code) }

func isOutOfMemory(err error) bool {
	var call *callError
	return errors.As(err, &call) && call.library == "CUDA" && call.code == codeOutOfMemory
}

// LostError says that the GPU cannot be used any more by this process: a kernel
// failed, or the GPU fell off. Only a new process can try again.
type LostError struct {
	// Cause is the call that reported it; with work queued, the fault may lie
	// in an earlier one.
	Cause error
}

func (e *LostError) Error() string {
	return "cuda: the device is lost and this process must be restarted: " + e.Cause.Error()
}

func (e *LostError) Unwrap() error { return e.Cause }

var errClosed = errors.New("compute: cuda device is closed")
