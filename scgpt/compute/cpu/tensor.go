package cpu

import (
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// tensor is a row-major matrix. data is nil once it is freed.
type tensor struct {
	dev        *device
	rows, cols int
	data       atomic.Pointer[[]float32]
	pooled     bool
}

func (t *tensor) Rows() int { return t.rows }
func (t *tensor) Cols() int { return t.cols }

func (t *tensor) Free() {
	if data := t.data.Swap(nil); data != nil && t.pooled {
		t.dev.memory.put(*data)
	}
}

func (d *device) NewTensor(rows, cols int) (compute.Tensor, error) {
	if err := compute.CheckSize("NewTensor", rows, cols); err != nil {
		return nil, err
	}
	if d.closed.Load() {
		return nil, errClosed
	}
	t := &tensor{dev: d, rows: rows, cols: cols, pooled: true}
	data := d.memory.get(rows * cols)
	t.data.Store(&data)
	return t, nil
}

// Upload copies into memory of its own: weights stay, and would only crowd
// the buffers that come and go.
func (d *device) Upload(rows, cols int, data []float32) (compute.Tensor, error) {
	if err := compute.CheckData("Upload", rows, cols, data); err != nil {
		return nil, err
	}
	if d.closed.Load() {
		return nil, errClosed
	}
	t := &tensor{dev: d, rows: rows, cols: cols}
	own := alignedFloats(len(data))
	copy(own, data)
	t.data.Store(&own)
	return t, nil
}

// floats returns the content of a tensor of this device.
func (d *device) floats(op, what string, t compute.Tensor) ([]float32, error) {
	own, ok := t.(*tensor)
	if !ok || own.dev != d {
		return nil, foreign(op, what)
	}
	data := own.data.Load()
	if data == nil {
		return nil, foreign(op, what)
	}
	return *data, nil
}

// matrix holds weights in the column panels that the kernels read, and behind them
// what products of pairs of rows take besides, unless it is not for these.
type matrix struct {
	dev     *device
	out, in int
	data    atomic.Pointer[[]float32]
}

func (m *matrix) Out() int { return m.out }
func (m *matrix) In() int  { return m.in }
func (m *matrix) Free()    { m.data.Store(nil) }

func (d *device) UploadMatrix(out, in int, data []float32) (compute.Matrix, error) {
	return d.uploadMatrix(out, in, data, false)
}

// UploadPaired is like UploadMatrix where pairs of rows would gain nothing.
func (d *device) UploadPaired(out, in int, data []float32) (compute.Matrix, error) {
	return d.uploadMatrix(out, in, data, d.set.Pairs(out, in))
}

func (d *device) uploadMatrix(out, in int, data []float32, paired bool) (compute.Matrix, error) {
	if err := compute.CheckMatrix(out, in, data); err != nil {
		return nil, err
	}
	if d.closed.Load() {
		return nil, errClosed
	}
	n, sums := d.set.PackedLen(out, in), 0
	if paired {
		sums = d.set.PairSumsLen(out, in)
	}
	packed := alignedFloats(n + sums)
	d.set.PackRows(packed[:n], data, in, out, in, make([]float32, d.set.PackScratch(in)))
	if paired {
		d.set.PackPairSums(packed[n:], packed[:n], out, in)
	}
	m := &matrix{dev: d, out: out, in: in}
	m.data.Store(&packed)
	return m, nil
}

func (d *device) panels(op string, w compute.Matrix) ([]float32, error) {
	own, ok := w.(*matrix)
	if !ok || own.dev != d {
		return nil, foreign(op, "matrix")
	}
	data := own.data.Load()
	if data == nil {
		return nil, foreign(op, "matrix")
	}
	return *data, nil
}
