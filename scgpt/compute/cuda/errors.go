package cuda

import (
	"errors"
	"fmt"
)

// codeOutOfMemory is CUDA_ERROR_OUT_OF_MEMORY.
const codeOutOfMemory = 2

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

func isOutOfMemory(err error) bool {
	var call *callError
	return errors.As(err, &call) && call.library == "CUDA" && call.code == codeOutOfMemory
}
