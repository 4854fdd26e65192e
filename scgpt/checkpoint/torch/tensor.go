package torch

import (
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
)

// storageTypes maps the classes that a persistent id may name to the type of
// their elements.
var storageTypes = map[string]safetensors.DType{
	"torch.FloatStorage":    safetensors.F32,
	"torch.DoubleStorage":   safetensors.F64,
	"torch.HalfStorage":     safetensors.F16,
	"torch.BFloat16Storage": safetensors.BF16,
	"torch.LongStorage":     safetensors.I64,
	"torch.IntStorage":      safetensors.I32,
	"torch.ShortStorage":    safetensors.I16,
	"torch.CharStorage":     safetensors.I8,
	"torch.ByteStorage":     safetensors.U8,
	"torch.BoolStorage":     safetensors.Bool,
}

const maxRank = 32

// storage is an entry of the archive, of which tensors are views.
type storage struct {
	key   string
	dtype safetensors.DType
	// elements that the pickle declares; data holds exactly as many.
	elements int
	data     []byte
}

// view is a tensor: places in a storage, counted in elements.
type view struct {
	*storage
	offset         int
	shape, strides []int
	// elements in the view, at most those of the storage.
	elements int
}

// newView checks the arguments of torch._utils._rebuild_tensor_v2: storage,
// offset, size, stride, requires_grad, hooks and, since 2.0, metadata.
func newView(args tuple) (*view, error) {
	if len(args) < 4 || len(args) > 7 {
		return nil, invalidf("a tensor is made of %d arguments, 6 would be right", len(args))
	}
	s, ok := args[0].(*storage)
	if !ok {
		return nil, invalidf("a tensor without a storage")
	}
	offset, ok := args[1].(int64)
	if !ok || offset < 0 || offset > int64(s.elements) {
		return nil, invalidf("a tensor begins at element %v of storage %q, which has %d", args[1], clip(s.key), s.elements)
	}
	shape, err := dimensions("size", args[2])
	if err != nil {
		return nil, err
	}
	strides, err := dimensions("stride", args[3])
	if err != nil {
		return nil, err
	}
	if len(shape) != len(strides) {
		return nil, invalidf("a tensor has %d sizes, but %d strides", len(shape), len(strides))
	}

	v := &view{storage: s, offset: int(offset), shape: shape, strides: strides, elements: 1}
	for _, n := range shape {
		if n == 0 {
			v.elements = 0
			return v, nil
		}
	}
	last := offset
	for i, n := range shape {
		// A view that repeats elements could be larger than any file.
		if n > s.elements/v.elements {
			return nil, invalidf("a tensor of size %v has more elements than the %d of its storage %q", shape, s.elements, clip(s.key))
		}
		v.elements *= n
		if steps := int64(n - 1); steps > 0 {
			if int64(strides[i]) > (math.MaxInt64-last)/steps {
				return nil, invalidf("a tensor of size %v and stride %v overflows", shape, strides)
			}
			last += steps * int64(strides[i])
		}
	}
	if last >= int64(s.elements) {
		return nil, invalidf("a tensor of size %v, stride %v and offset %d reaches element %d of storage %q, which has %d",
			shape, strides, offset, last, clip(s.key), s.elements)
	}
	return v, nil
}

func dimensions(what string, arg any) ([]int, error) {
	t, ok := arg.(tuple)
	if !ok {
		return nil, invalidf("a tensor's %s is no tuple", what)
	}
	if len(t) > maxRank {
		return nil, invalidf("a tensor has %d dimensions, more than %d", len(t), maxRank)
	}
	out := make([]int, len(t))
	for i, v := range t {
		n, ok := v.(int64)
		if !ok || n < 0 || n > math.MaxInt {
			return nil, invalidf("a tensor's %s holds %v", what, v)
		}
		out[i] = int(n)
	}
	return out, nil
}

// contiguous says whether the view's elements lie row-major without gaps.
// Strides of dimensions of length 1 do not matter.
func (v *view) contiguous() bool {
	step := 1
	for i := len(v.shape) - 1; i >= 0; i-- {
		if v.shape[i] != 1 && v.strides[i] != step {
			return false
		}
		step *= v.shape[i]
	}
	return true
}

// bytes returns the elements row-major: a slice of the storage when they lie
// so, else a copy.
func (v *view) bytes() []byte {
	size := v.dtype.Size()
	if v.elements == 0 {
		return nil
	}
	if v.contiguous() {
		from := v.offset * size
		to := from + v.elements*size
		return v.data[from:to:to]
	}
	out := make([]byte, 0, v.elements*size)
	at := v.offset
	index := make([]int, len(v.shape))
	for {
		out = append(out, v.data[at*size:(at+1)*size]...)
		d := len(index) - 1
		for ; d >= 0; d-- {
			index[d]++
			at += v.strides[d]
			if index[d] < v.shape[d] {
				break
			}
			at -= index[d] * v.strides[d]
			index[d] = 0
		}
		if d < 0 {
			return out
		}
	}
}
