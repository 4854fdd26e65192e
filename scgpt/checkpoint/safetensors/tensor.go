package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// Tensor is a named array: row-major, little-endian.
type Tensor struct {
	// Name as in the file.
	Name string
	// DType of the elements.
	DType DType
	// Shape is empty for a scalar.
	Shape []int
	// Data holds the elements. When it belongs to an open [File] it must not
	// be written to, nor used after the file's Close.
	Data []byte
}

// Float32Tensor returns a tensor of numbers, whose memory it is on a little-endian
// machine and whose copy elsewhere.
func Float32Tensor(name string, shape []int, numbers []float32) Tensor {
	t := Tensor{Name: name, DType: F32, Shape: shape}
	if littleEndian && len(numbers) > 0 {
		t.Data = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(numbers))), 4*len(numbers))
		return t
	}
	t.Data = make([]byte, 0, 4*len(numbers))
	for _, x := range numbers {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(x))
	}
	return t
}

// Len returns the number of elements.
func (t Tensor) Len() int {
	if size := t.DType.Size(); size > 0 {
		return len(t.Data) / size
	}
	return 0
}

// Float32 returns the elements as float32: Data itself, not a copy, where it
// holds aligned float32 on a little-endian machine, else a conversion (F64 and
// the integers are rounded to nearest even). Treat it as read-only.
func (t Tensor) Float32() ([]float32, error) {
	if t.DType == F32 && littleEndian && len(t.Data) > 0 && aligned(t.Data, 4) {
		return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(t.Data))), len(t.Data)/4), nil
	}
	out := make([]float32, t.Len())
	if err := t.ReadFloat32(out, 0); err != nil {
		return nil, err
	}
	return out, nil
}

// ReadFloat32 converts len(dst) elements, the first of which is element from,
// into dst.
func (t Tensor) ReadFloat32(dst []float32, from int) error {
	if from < 0 || from > t.Len() || len(dst) > t.Len()-from {
		return t.errorf("%d elements from %d on were asked for, but there are %d", len(dst), from, t.Len())
	}
	src := t.Data[from*t.DType.Size():]
	switch t.DType {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	case F16:
		for i := range dst {
			dst[i] = float16(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	case U64:
		for i := range dst {
			dst[i] = float32(binary.LittleEndian.Uint64(src[8*i:]))
		}
	case Bool, U8, I8, I16, U16, I32, U32, I64:
		for i := range dst {
			dst[i] = float32(t.integer(from + i))
		}
	default:
		return t.errorf("elements of type %s cannot be read as float32", t.DType)
	}
	return nil
}

// Int64 returns a copy of the elements of an integer or boolean tensor.
func (t Tensor) Int64() ([]int64, error) {
	switch t.DType {
	case Bool, U8, I8, I16, U16, I32, U32, I64:
	default:
		return nil, t.errorf("elements of type %s cannot be read as int64", t.DType)
	}
	out := make([]int64, t.Len())
	for i := range out {
		out[i] = t.integer(i)
	}
	return out, nil
}

// Int32 is Int64 for values that fit 32 bits; one that does not is an error.
func (t Tensor) Int32() ([]int32, error) {
	wide, err := t.Int64()
	if err != nil {
		return nil, err
	}
	out := make([]int32, len(wide))
	for i, v := range wide {
		if v < math.MinInt32 || v > math.MaxInt32 {
			return nil, t.errorf("element %d = %d does not fit int32", i, v)
		}
		out[i] = int32(v)
	}
	return out, nil
}

// Uint8 returns the elements of a U8 or Bool tensor: Data itself.
func (t Tensor) Uint8() ([]byte, error) {
	if t.DType != U8 && t.DType != Bool {
		return nil, t.errorf("elements of type %s cannot be read as bytes", t.DType)
	}
	return t.Data, nil
}

// integer returns element i of an integer tensor but U64.
func (t Tensor) integer(i int) int64 {
	switch t.DType {
	case I8:
		return int64(int8(t.Data[i]))
	case I16:
		return int64(int16(binary.LittleEndian.Uint16(t.Data[2*i:])))
	case U16:
		return int64(binary.LittleEndian.Uint16(t.Data[2*i:]))
	case I32:
		return int64(int32(binary.LittleEndian.Uint32(t.Data[4*i:])))
	case U32:
		return int64(binary.LittleEndian.Uint32(t.Data[4*i:]))
	case I64:
		return int64(binary.LittleEndian.Uint64(t.Data[8*i:]))
	}
	return int64(t.Data[i])
}

func (t Tensor) errorf(format string, args ...any) error {
	return &Error{Reason: fmt.Sprintf("tensor %q: ", t.Name) + fmt.Sprintf(format, args...)}
}

// float16 widens an IEEE 754 binary16; every value, NaN payloads included, has
// an exact float32.
func float16(bits uint16) float32 {
	sign := uint32(bits&0x8000) << 16
	exponent := uint32(bits>>10) & 0x1f
	fraction := uint32(bits & 0x3ff)
	switch exponent {
	case 0:
		// Subnormal: fraction × 2⁻²⁴, exact in float32.
		f := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

var littleEndian = func() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 1
}()

func aligned(data []byte, to uintptr) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(data)))%to == 0
}
