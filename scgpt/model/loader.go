package model

import (
	"context"
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint"
	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// layerNormEps is the epsilon of every layer norm (PyTorch's default, which
// scGPT keeps).
const layerNormEps = 1e-5

// loader uploads a checkpoint's tensors. It keeps the first error, after which
// its methods do nothing, and everything that it has uploaded.
type loader struct {
	dev     compute.Device
	ck      *checkpoint.Checkpoint
	laid    *layout // nil where nothing is shared
	handles []interface{ Free() }
	err     error
}

// beside runs load with a loader of its own on another goroutine. What it
// returns waits for it and takes over what it has loaded, and its error before
// that of l.
func (l *loader) beside(load func(*loader)) (join func()) {
	other := &loader{dev: l.dev, ck: l.ck, laid: l.laid}
	done := make(chan struct{})
	go func() {
		defer close(done)
		load(other)
	}()
	return func() {
		<-done
		l.handles = append(other.handles, l.handles...)
		if other.err != nil {
			l.err = other.err
		}
	}
}

func (l *loader) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

func (l *loader) has(name string) bool {
	_, ok := l.ck.Tensor(name)
	return ok
}

// shape returns a tensor's shape, nil if it is not there.
func (l *loader) shape(name string) []int {
	t, _ := l.ck.Tensor(name)
	return t.Shape
}

// host returns a tensor's numbers; -1 in want fits any size.
func (l *loader) host(name string, want ...int) []float32 {
	if l.err != nil {
		return nil
	}
	t, ok := l.ck.Tensor(name)
	if !ok {
		l.fail(invalidf(name, "the checkpoint lacks it"))
		return nil
	}
	fits := len(t.Shape) == len(want)
	for i := 0; fits && i < len(want); i++ {
		fits = want[i] == t.Shape[i] || want[i] < 0
	}
	if !fits {
		l.fail(invalidf(name, "shape %v, want %v", t.Shape, want))
		return nil
	}
	data := t.Float32()
	if data == nil {
		l.fail(invalidf(name, "its numbers of type %s cannot be read as float32, or the checkpoint is closed", t.DType))
	}
	return data
}

func (l *loader) upload(rows, cols int, data []float32) compute.Tensor {
	if l.err != nil {
		return nil
	}
	t, err := l.dev.Upload(rows, cols, data)
	if err != nil {
		l.fail(err)
		return nil
	}
	l.handles = append(l.handles, t)
	return t
}

func (l *loader) uploadMatrix(out, in int, data []float32) compute.Matrix {
	if l.err != nil {
		return nil
	}
	m, err := l.dev.UploadMatrix(out, in, data)
	if err != nil {
		l.fail(err)
		return nil
	}
	l.handles = append(l.handles, m)
	return m
}

// uploadFunc is a device's UploadMatrix or UploadPaired.
type uploadFunc func(out, in int, data []float32) (compute.Matrix, error)

func (l *loader) vector(name string, n int) compute.Tensor {
	return l.upload(1, n, l.host(name, n))
}

func (l *loader) matrix(name string, out, in int) compute.Matrix {
	return l.shared(name, out, in, l.dev.UploadMatrix, func() []float32 { return l.host(name, out, in) })
}

// shared returns the matrix of some weights, which processes may share. What
// weights returns is needed, and uploaded, only where it is not laid out already.
func (l *loader) shared(name string, out, in int, upload uploadFunc, weights func() []float32) compute.Matrix {
	if l.err != nil {
		return nil
	}
	m, err := l.laid.matrix(name, out, in, func() (compute.Matrix, error) {
		data := weights()
		if l.err != nil {
			return nil, l.err
		}
		defer l.discard(name)
		return upload(out, in, data)
	})
	if err != nil {
		l.fail(err)
		return nil
	}
	l.handles = append(l.handles, m)
	return m
}

// discard lets go of a large tensor that is on the device now, so that loading
// does not take the memory of two models.
func (l *loader) discard(name string) {
	if t, ok := l.ck.Tensor(name); ok {
		t.Discard()
	}
}

// linear is a fully connected layer.
type linear = compute.Linear

// linear loads name.Weight (out × in) and name.bias.
func (l *loader) linear(name string, out, in int) linear {
	return linear{Weight: l.matrix(name+".weight", out, in), Bias: l.vector(name+".bias", out)}
}

// linearOfCells is linear for what all tokens of a cell go through.
func (l *loader) linearOfCells(name string, out, in int) linear {
	upload := l.dev.UploadMatrix
	if p, ok := l.dev.(compute.PairUploader); ok {
		upload = p.UploadPaired
	}
	weight := name + ".weight"
	return linear{
		Weight: l.shared(weight, out, in, upload, func() []float32 { return l.host(weight, out, in) }),
		Bias:   l.vector(name+".bias", out),
	}
}

func (l *loader) norm(name string, n int) compute.Norm {
	return compute.Norm{Gamma: l.vector(name+".weight", n), Beta: l.vector(name+".bias", n), Eps: layerNormEps}
}

// normedTable loads an embedding table and normalises its rows: the layer
// norm behind every table depends on nothing but the row.
func (l *loader) normedTable(table, norm string, cols int) compute.Tensor {
	shape := l.shape(table)
	var data []float32
	if !l.laid.mapped() || len(shape) != 2 {
		data = l.host(table, -1, cols)
	}
	n := l.norm(norm, cols)
	if l.err != nil {
		return nil
	}
	t, err := l.laid.tensor(table, shape[0], cols, func() (compute.Tensor, error) {
		t, err := l.dev.Upload(shape[0], cols, data)
		if err != nil {
			return nil, err
		}
		l.discard(table)
		if err := l.dev.AddLayerNorm(context.Background(), t, t, nil, n); err != nil {
			t.Free()
			return nil, err
		}
		return t, nil
	})
	if err != nil {
		l.fail(err)
		return nil
	}
	l.handles = append(l.handles, t)
	return t
}

// split cuts an out × in matrix into its first columns and the rest.
func split(data []float32, out, in, first int) (left, right []float32) {
	for r := range out {
		row := data[r*in : (r+1)*in]
		left = append(left, row[:first]...)
		right = append(right, row[first:]...)
	}
	return left, right
}

func transpose(data []float32, rows, cols int) []float32 {
	t := make([]float32, len(data))
	for r := range rows {
		for c := range cols {
			t[c*rows+r] = data[r*cols+c]
		}
	}
	return t
}

func (l *loader) free() {
	for _, h := range slices.Backward(l.handles) {
		h.Free()
	}
	l.handles = nil
}
