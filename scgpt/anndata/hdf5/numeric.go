package hdf5

import (
	"context"
	"encoding/binary"
	"math"
	"unsafe"
)

// number is what the elements of a dataset convert to.
type number interface {
	int32 | int64 | float32 | float64
}

// ReadFloat32s reads rows of numbers of any type into dst, which has RowLen
// elements for each.
func (d *Dataset) ReadFloat32s(ctx context.Context, dst []float32, from, to int) error {
	return readNumbers(ctx, d, dst, from, to)
}

// ReadFloat64s is ReadFloat32s in double precision.
func (d *Dataset) ReadFloat64s(ctx context.Context, dst []float64, from, to int) error {
	return readNumbers(ctx, d, dst, from, to)
}

// ReadInt64s reads rows of whole numbers. Those beyond the range become the
// nearest number within it.
func (d *Dataset) ReadInt64s(ctx context.Context, dst []int64, from, to int) error {
	if !d.typ.Integer() {
		return d.locate(corrupt("holds %v, want whole numbers", d.typ))
	}
	return readNumbers(ctx, d, dst, from, to)
}

// ReadInt32s is ReadInt64s for 32 bits.
func (d *Dataset) ReadInt32s(ctx context.Context, dst []int32, from, to int) error {
	if !d.typ.Integer() {
		return d.locate(corrupt("holds %v, want whole numbers", d.typ))
	}
	return readNumbers(ctx, d, dst, from, to)
}

func readNumbers[T number](ctx context.Context, d *Dataset, dst []T, from, to int) error {
	n, err := d.rowRange(from, to)
	if err != nil {
		return d.locate(err)
	}
	if len(dst) != n {
		return d.locate(corrupt("%d elements asked for, rows %d to %d have %d", len(dst), from, to, n))
	}
	if !d.typ.Numeric() {
		return d.locate(corrupt("holds %v, want numbers", d.typ))
	}
	if raw := nativeBytes(d.typ, dst); raw != nil {
		switch {
		case d.layout.class == storedContiguous && d.layout.addr != undefined:
			return d.locate(d.readContiguous(ctx, raw, from*d.rowLen*d.typ.Size))
		case d.layout.class == storedChunked && len(d.layout.chunk) == 1 && len(d.filters) == 0:
			return d.locate(d.readPlainChunks(ctx, raw, from, to))
		}
	}
	size := d.typ.Size
	return d.locate(d.scan(ctx, from, to, func(at int, raw []byte) error {
		convert(d.typ, dst[at:at+len(raw)/size], raw)
		return nil
	}))
}

// readContiguous reads bytes from a place in the stored data.
func (d *Dataset) readContiguous(ctx context.Context, dst []byte, at int) error {
	for len(dst) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := dst[:min(len(dst), stripBytes)]
		if err := d.obj.file.readInto(part, d.layout.addr+uint64(at)); err != nil {
			return err
		}
		dst, at = dst[len(part):], at+len(part)
	}
	return nil
}

// readPlainChunks reads rows of one dimension from chunks without filters, each
// part to where it belongs.
func (d *Dataset) readPlainChunks(ctx context.Context, dst []byte, from, to int) error {
	if from == to {
		return nil
	}
	table, err := d.table()
	if err != nil {
		return err
	}
	height, size := d.layout.chunk[0], d.typ.Size
	for lo := from; lo < to; {
		if err := ctx.Err(); err != nil {
			return err
		}
		number := lo / height
		hi := min(to, (number+1)*height)
		part := dst[(lo-from)*size : (hi-from)*size]
		ref, ok := table.find(uint64(number), d.layout.chunkBytes)
		switch {
		case !ok:
			clear(part)
			fillWith(part, d.fill)
		case ref.size != uint64(d.layout.chunkBytes):
			return corrupt("chunk at [%d]: it has %d bytes, want %d", number*height, ref.size, d.layout.chunkBytes)
		default:
			if err := d.obj.file.readInto(part, ref.addr+uint64((lo-number*height)*size)); err != nil {
				return err
			}
		}
		lo = hi
	}
	return nil
}

var littleEndian = func() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 1
}()

// nativeBytes returns the memory of numbers that are stored as they are held,
// nil for others.
func nativeBytes[T number](t *Datatype, x []T) []byte {
	if t.Class == ClassEnum {
		t = t.Base
	}
	if t.BigEndian || !littleEndian || len(x) == 0 {
		return nil
	}
	same := false
	switch any(x[0]).(type) {
	case float32:
		same = t.Class == ClassFloat && t.Size == 4
	case float64:
		same = t.Class == ClassFloat && t.Size == 8
	case int32:
		same = t.Integer() && t.Signed && t.Size == 4
	case int64:
		same = t.Integer() && t.Signed && t.Size == 8
	}
	if !same {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*t.Size)
}

// convert reads len(dst) numbers from raw, which holds that many.
func convert[T number](t *Datatype, dst []T, raw []byte) {
	if native := nativeBytes(t, dst); native != nil {
		copy(native, raw)
		return
	}
	if t.Class == ClassEnum {
		t = t.Base
	}
	if t.BigEndian && t.Size > 1 {
		raw = swapped(raw[:len(dst)*t.Size], t.Size)
	}
	le := binary.LittleEndian
	switch {
	case t.Class == ClassFloat && t.Size == 4:
		for i := range dst {
			dst[i] = T(math.Float32frombits(le.Uint32(raw[4*i:])))
		}
	case t.Class == ClassFloat && t.Size == 8:
		for i := range dst {
			dst[i] = T(math.Float64frombits(le.Uint64(raw[8*i:])))
		}
	case t.Class == ClassFloat:
		for i := range dst {
			dst[i] = T(half(le.Uint16(raw[2*i:])))
		}
	case t.Size == 1 && t.Signed:
		for i := range dst {
			dst[i] = T(int8(raw[i]))
		}
	case t.Size == 1:
		for i := range dst {
			dst[i] = T(raw[i])
		}
	case t.Size == 2 && t.Signed:
		for i := range dst {
			dst[i] = T(int16(le.Uint16(raw[2*i:])))
		}
	case t.Size == 2:
		for i := range dst {
			dst[i] = T(le.Uint16(raw[2*i:]))
		}
	case t.Size == 4 && t.Signed:
		for i := range dst {
			dst[i] = T(int32(le.Uint32(raw[4*i:])))
		}
	case t.Size == 4:
		for i := range dst {
			dst[i] = clampUint[T](uint64(le.Uint32(raw[4*i:])))
		}
	case t.Signed:
		for i := range dst {
			dst[i] = clampInt[T](int64(le.Uint64(raw[8*i:])))
		}
	default:
		for i := range dst {
			dst[i] = clampUint[T](le.Uint64(raw[8*i:]))
		}
	}
}

func clampInt[T number](v int64) T {
	if _, narrow := any(T(0)).(int32); narrow {
		v = max(math.MinInt32, min(v, math.MaxInt32))
	}
	return T(v)
}

func clampUint[T number](v uint64) T {
	switch any(T(0)).(type) {
	case int32:
		v = min(v, math.MaxInt32)
	case int64:
		v = min(v, math.MaxInt64)
	}
	return T(v)
}

// swapped returns a copy with the bytes of every element reversed.
func swapped(raw []byte, size int) []byte {
	out := make([]byte, len(raw))
	for i := 0; i+size <= len(raw); i += size {
		for j := range size {
			out[i+j] = raw[i+size-1-j]
		}
	}
	return out
}

// half converts IEEE 754 half precision.
func half(v uint16) float32 {
	sign, exp, man := uint32(v>>15)<<31, uint32(v>>10&31), uint32(v&1023)
	switch exp {
	case 0:
		f := float32(man) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | man<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
}

// Int64s converts elements of a whole-number type from raw.
func Int64s(t *Datatype, raw []byte) []int64 { return numbers[int64](t, t.Integer(), raw) }

// Float64s converts elements of a number type from raw.
func Float64s(t *Datatype, raw []byte) []float64 { return numbers[float64](t, t.Numeric(), raw) }

// numbers returns nil where the type does not convert.
func numbers[T number](t *Datatype, ok bool, raw []byte) []T {
	if !ok {
		return nil
	}
	out := make([]T, len(raw)/t.Size)
	convert(t, out, raw)
	return out
}

// EachFloat32 reads rows chunk after chunk, always in the same order, and
// calls each with runs of elements: at is the number of the first one, counted
// from the first row asked for. The slice is valid during the call. Chunks that
// were never written and are zero are left out. It takes the memory of one
// chunk, however many chunks a row crosses.
func (d *Dataset) EachFloat32(ctx context.Context, from, to int, each func(at int, run []float32) error) error {
	return eachRun(ctx, d, from, to, each)
}

// EachFloat64 is EachFloat32 in double precision.
func (d *Dataset) EachFloat64(ctx context.Context, from, to int, each func(at int, run []float64) error) error {
	return eachRun(ctx, d, from, to, each)
}

func eachRun[T number](ctx context.Context, d *Dataset, from, to int, each func(at int, run []T) error) error {
	if !d.typ.Numeric() {
		return d.locate(corrupt("holds %v, want numbers", d.typ))
	}
	var buf []T
	return d.locate(d.scanStored(ctx, from, to, func(at int, raw []byte) error {
		n := len(raw) / d.typ.Size
		if len(buf) < n {
			buf = make([]T, n)
		}
		convert(d.typ, buf[:n], raw)
		return each(at, buf[:n])
	}))
}
