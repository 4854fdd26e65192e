package checkpoint

import (
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
)

// Tensor is one array of the weights, row-major.
type Tensor struct {
	// Name is the published name, whatever the file calls it.
	Name string
	// Shape is empty for a scalar.
	Shape []int
	// DType is how the file stores the elements: F32, F16, BF16, F64, I64, …
	DType safetensors.DType

	weights *weights
	stored  string
}

// Len returns the number of elements.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Float32 returns the elements as float32. Where the file stores them so, the
// slice is part of the mapped file: it must not be modified, nor used after
// [Checkpoint.Close]. Other types are converted anew with each call; integers
// above 2²⁴ are rounded. After Close it returns nil.
func (t Tensor) Float32() []float32 {
	raw, ok := t.raw()
	if !ok {
		return nil
	}
	values, err := raw.Float32()
	if err != nil {
		return nil
	}
	return values
}

// Discard gives the memory back that holds the elements, where they are part of
// the mapped file: it is read again when they are needed. Call it when they
// have been copied elsewhere.
func (t Tensor) Discard() {
	if raw, ok := t.raw(); ok {
		t.weights.source.Discard(raw.Data)
	}
}

// raw returns the stored elements under the tensor's published name.
func (t Tensor) raw() (safetensors.Tensor, bool) {
	if t.weights == nil || t.weights.closed.Load() {
		return safetensors.Tensor{}, false
	}
	raw, ok := t.weights.source.Tensor(t.stored)
	raw.Name = t.Name
	return raw, ok
}

func (t Tensor) clone() Tensor {
	t.Shape = slices.Clone(t.Shape)
	return t
}
