package compute

import "fmt"

// OutOfMemoryError says that an operation or a tensor did not fit into the
// device's memory. The device is as it was and can be used: a smaller batch may
// fit.
type OutOfMemoryError struct {
	// Device is the device, such as "cuda:0 (NVIDIA H100)".
	Device string
	// Need is what was asked for, in bytes.
	Need int64
	// Used and Limit are what was taken, by this device's tensors, and what
	// they may take together, in bytes.
	Used, Limit int64
}

func (e *OutOfMemoryError) Error() string {
	return fmt.Sprintf("compute: %s is out of memory: %s needed, %s of %s in use; a smaller batch may fit", e.Device, mebibytes(e.Need), mebibytes(e.Used), mebibytes(e.Limit))
}

// ErrorType returns "OutOfMemoryError": another attempt may find more memory.
func (e *OutOfMemoryError) ErrorType() string { return "OutOfMemoryError" }

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// DeviceLostError says that this process cannot use the device any more: a
// kernel failed, or the device fell off. Everything that follows fails with it;
// only a new process can try again.
type DeviceLostError struct {
	// Device is the device, such as "cuda:0 (NVIDIA H100)".
	Device string
	// Cause is the call that reported it; where work is queued, the fault may
	// lie in an earlier one.
	Cause error
}

func (e *DeviceLostError) Error() string {
	return fmt.Sprintf("compute: %s is lost and this process must be restarted: %v", e.Device, e.Cause)
}

func (e *DeviceLostError) Unwrap() error { return e.Cause }
