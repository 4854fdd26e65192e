//go:build cuda

package cuda

import (
	"reflect"
	"unsafe"
)

// slice32 makes the slice that gorgonia.org/cu's BLAS takes for an address on
// the GPU: it hands on the address of the first number and looks at nothing.
func slice32(at uint64) []float32 {
	p := uintptr(at)
	return unsafe.Slice((*float32)(*(*unsafe.Pointer)(unsafe.Pointer(&p))), 1)
}

// statusCode returns the number of a status of gorgonia.org/cu.
func statusCode(err error) int {
	if v := reflect.ValueOf(err); v.Kind() == reflect.Int {
		return int(v.Int())
	}
	return -1
}
