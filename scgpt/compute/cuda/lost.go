//go:build cuda

package cuda

import (
	"errors"
	"slices"
)

var errClosed = errors.New("compute: cuda device is closed")

// lostCodes are the driver's errors after which a context cannot be used any
// more: every call returns the same one.
var lostCodes = []int{
	46,                 // device unavailable
	214, 215, 220, 226, // ECC, NVLink, containment
	700, 702, 709, 710, // illegal address, time-out, destroyed context, assert
	714, 715, 716, 717, 718, 719, // stack, instruction, alignment, address space, program counter, launch
	999, // unknown
}

func (e *callError) lost() bool { return e.library == "CUDA" && slices.Contains(lostCodes, e.code) }
