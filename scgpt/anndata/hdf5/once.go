package hdf5

import (
	"sync"
	"sync/atomic"
)

// A once holds what was read from the file once. An error is not kept: that of a
// disk or a network may be gone the next time. The zero value is ready; it is safe
// for concurrent use.
type once[T any] struct {
	mu    sync.Mutex
	value atomic.Pointer[T]
}

// get returns the value, and reads it where nobody has.
func (o *once[T]) get(read func() (T, error)) (T, error) {
	if v := o.value.Load(); v != nil {
		return *v, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if v := o.value.Load(); v != nil {
		return *v, nil
	}
	v, err := read()
	if err == nil {
		o.value.Store(&v)
	}
	return v, err
}
