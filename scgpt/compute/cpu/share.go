package cpu

import (
	"fmt"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

var _ compute.Sharer = (*device)(nil)

func (d *device) TensorContent(t compute.Tensor) ([]float32, error) {
	return d.floats("TensorContent", "tensor", t)
}

func (d *device) MatrixContent(m compute.Matrix) ([]float32, error) {
	return d.panels("MatrixContent", m)
}

func (d *device) MapTensor(rows, cols int, content []float32) (compute.Tensor, error) {
	if err := compute.CheckData("MapTensor", rows, cols, content); err != nil {
		return nil, err
	}
	if d.closed.Load() {
		return nil, errClosed
	}
	t := &tensor{dev: d, rows: rows, cols: cols}
	t.data.Store(&content)
	return t, nil
}

func (d *device) MapMatrix(out, in int, content []float32) (compute.Matrix, error) {
	const op = "MapMatrix"
	if err := compute.CheckSize(op, out, in); err != nil {
		return nil, err
	}
	want := d.set.PackedLen(out, in)
	paired := d.set.Pairs(out, in) && len(content) == want+d.set.PairSumsLen(out, in)
	if out < 1 || len(content) != want && !paired {
		problem := fmt.Sprintf("%d numbers for %d × %d, which takes %d", len(content), out, in, want)
		if d.set.Pairs(out, in) {
			problem += fmt.Sprintf(", or %d for pairs of rows", want+d.set.PairSumsLen(out, in))
		}
		return nil, &compute.ShapeError{Op: op, Problem: problem}
	}
	if d.closed.Load() {
		return nil, errClosed
	}
	m := &matrix{dev: d, out: out, in: in}
	m.data.Store(&content)
	return m, nil
}
