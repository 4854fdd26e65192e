//go:build cuda

package cuda

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// element is the type in which a tensor's numbers are stored. The values are
// those of the kernels.
type element int

const (
	float32s  element = 0
	bfloat16s element = 1
)

func (e element) bytes() int {
	if e == bfloat16s {
		return 2
	}
	return 4
}

// storedColumns is what the columns of a tensor must be a multiple of to be
// stored as bfloat16, and the sides of a matrix to be multiplied by cuBLAS.
const storedColumns = 64

// tensor is a row-major matrix on the GPU.
type tensor struct {
	dev        *core
	rows, cols int
	element    element
	memory     atomic.Pointer[block] // nil once it is freed

	// half is a bias in bfloat16, made when a product first wants it. Used
	// on the device's thread.
	half *block
}

func (t *tensor) Rows() int { return t.rows }
func (t *tensor) Cols() int { return t.cols }

func (t *tensor) Free() {
	b := t.memory.Swap(nil)
	if b == nil || t.dev.closed.Load() {
		return
	}
	t.dev.memory.put(*b)
	if half := t.half; half != nil {
		t.half = nil
		t.dev.memory.put(*half)
	}
}

// allocate returns a block. It may be called from any goroutine.
func (d *device) allocate(bytes int64) (block, error) {
	if err := d.usable(); err != nil {
		return block{}, err
	}
	if b, ok := d.memory.take(bytes); ok {
		return b, nil
	}
	var b block
	err := d.run(context.Background(), func() (err error) {
		b, err = d.allocateHere(bytes)
		return err
	})
	return b, err
}

// allocateHere is allocate on the device's thread.
func (d *core) allocateHere(bytes int64) (block, error) {
	if b, ok := d.memory.take(bytes); ok {
		return b, nil
	}
	if d.memory.slab > 0 {
		if b, ok, err := d.memory.takeNew(bytes, false); ok || err != nil {
			return b, err
		}
	}
	// Slabs without tensors may be of the wrong size.
	if err := d.check(d.stream.Synchronize(), "cuStreamSynchronize"); err != nil {
		return block{}, err
	}
	if err := d.memory.trim(); err != nil {
		return block{}, err
	}
	if b, ok, err := d.memory.takeNew(bytes, true); ok || err != nil {
		return b, err
	}
	return block{}, &compute.OutOfMemoryError{Device: d.label, Need: bytes, Used: d.memory.inUse(), Limit: d.memory.limit}
}

// scratch is memory for the operation in progress; the caller puts it back.
func (d *core) scratch(numbers int, e element) (block, error) {
	return d.allocateHere(int64(numbers) * int64(e.bytes()))
}

func (d *core) elementFor(cols int) element {
	if d.precision == compute.BF16 && cols%storedColumns == 0 {
		return bfloat16s
	}
	return float32s
}

// padded rounds rows up to what products compute.
func (d *core) padded(rows int) int { return ceil(rows, d.config.rows) * d.config.rows }

func (d *device) newTensor(rows, cols int, e element, padded bool) (*tensor, error) {
	t := &tensor{dev: d.core, rows: rows, cols: cols, element: e}
	room := rows
	if padded && cols%storedColumns == 0 {
		room = d.padded(rows)
	}
	b, err := d.allocate(int64(room) * int64(cols) * int64(e.bytes()))
	if err != nil {
		return nil, err
	}
	t.memory.Store(&b)
	return t, nil
}

func (d *device) NewTensor(rows, cols int) (compute.Tensor, error) {
	if err := compute.CheckSize("NewTensor", rows, cols); err != nil {
		return nil, err
	}
	return tensorOrError(d.newTensor(rows, cols, d.elementFor(cols), true))
}

// tensorOrError keeps a nil *tensor out of the interface.
func tensorOrError(t *tensor, err error) (compute.Tensor, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Upload keeps float32: what it is given are tables and vectors that are read
// once for each row.
func (d *device) Upload(rows, cols int, data []float32) (compute.Tensor, error) {
	if err := compute.CheckData("Upload", rows, cols, data); err != nil {
		return nil, err
	}
	t, err := d.newTensor(rows, cols, float32s, rows > 1)
	if err != nil {
		return nil, err
	}
	err = d.run(context.Background(), func() error { return uploadSlice(d.core, t.memory.Load().at, data) })
	if err != nil {
		t.Free()
		return nil, err
	}
	return t, nil
}

// view is a tensor's memory during an operation.
type view struct {
	at      uint64
	element element
	room    int64 // bytes behind at
}

func (v view) kind() uint64 { return uint64(v.element) }

// source returns the memory of a tensor of this device.
func (d *core) source(op, what string, t compute.Tensor) (view, error) {
	own, ok := t.(*tensor)
	if !ok || own.dev != d {
		return view{}, foreign(op, what)
	}
	b := own.memory.Load()
	if b == nil {
		return view{}, foreign(op, what)
	}
	return view{b.at, own.element, b.bytes}, nil
}

// vector returns the memory of a 1 × n tensor in float32; what is stored as
// bfloat16 is converted into scratch memory, which release puts back.
func (d *core) vector(op, what string, t compute.Tensor) (at uint64, release func(), err error) {
	v, err := d.source(op, what, t)
	if err != nil {
		return 0, nil, err
	}
	return d.floats(v, t.Rows()*t.Cols())
}

// floats returns numbers as float32.
func (d *core) floats(v view, n int) (at uint64, release func(), err error) {
	if v.element == float32s {
		return v.at, func() {}, nil
	}
	b, err := d.scratch(n, float32s)
	if err != nil {
		return 0, nil, err
	}
	if err := d.convert(view{at: b.at}, v, n); err != nil {
		d.memory.put(b)
		return 0, nil, err
	}
	return b.at, func() { d.memory.put(b) }, nil
}

// written notes that an operation writes a tensor.
func (d *core) written(t compute.Tensor) {
	if own := t.(*tensor); own.half != nil {
		d.memory.put(*own.half)
		own.half = nil
	}
}

func (d *core) convert(to, from view, n int) error {
	if n == 0 {
		return nil
	}
	return d.launch("convert", ceil(n, 256), 1, 256, 0, to.at, to.kind(), from.at, from.kind(), integer(n))
}

func foreign(op, what string) error {
	return &compute.ShapeError{Op: op, Problem: fmt.Sprintf("%s is freed or belongs to another device", what)}
}
