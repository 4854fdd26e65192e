//go:build cuda

package cuda

import (
	"context"
	"fmt"
	"math"

	cudnn "gorgonia.org/cu/dnn"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// libraryQueries is the number of queries of every product of attention by
// cuBLAS: the libraries choose kernels by sizes, and a query must meet the same
// kernel in any cell's tile and when it is alone.
const libraryQueries = 128

// library holds the handles of attention by cuBLAS and cuDNN, made when it is
// first used.
type library struct {
	gemm  gemm
	dnn   *cudnn.Context
	rows  map[rowsKey]*cudnn.TensorDescriptor
	ready bool
}

// rowsKey is the shape of a matrix whose rows a softmax takes. There is nothing
// between the rows: cuDNN takes no notice of a stride that it is given.
type rowsKey struct{ rows, cols int }

func (d *core) startLibrary() (err error) {
	l := &d.library
	if l.ready {
		return nil
	}
	if l.gemm.h == 0 {
		var code int
		if l.gemm, code = newGemm(d.stream); code != 0 {
			return d.checkLibrary("cuBLAS", code, "cublasCreate and cublasSetStream")
		}
	}
	if code := l.gemm.setWorkspace(d.workspace); code != 0 {
		return d.checkLibrary("cuBLAS", code, "cublasSetWorkspace(%d bytes)", d.workspace.bytes)
	}
	// The binding panics where cuDNN does not start.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: cudnnCreate: %v", d.label, r)
		}
	}()
	if l.dnn == nil {
		l.dnn = cudnn.NewContext()
	}
	if code := setDNNStream(l.dnn, d.stream); code != 0 {
		return d.checkLibrary("cuDNN", code, "cudnnSetStream")
	}
	l.rows = make(map[rowsKey]*cudnn.TensorDescriptor)
	l.ready = true
	return nil
}

func (d *core) releaseLibrary() error {
	l := &d.library
	for _, t := range l.rows {
		if code := destroyDescriptor(t); code != 0 {
			return d.checkLibrary("cuDNN", code, "cudnnDestroyTensorDescriptor")
		}
	}
	l.rows = nil
	if l.dnn != nil {
		if err := l.dnn.Close(); err != nil {
			return d.checkLibrary("cuDNN", statusCode(err), "cudnnDestroy")
		}
	}
	return d.checkLibrary("cuBLAS", l.gemm.close(), "cublasDestroy")
}

// softmax replaces rows by their softmax.
func (d *core) softmax(at uint64, key rowsKey) error {
	t := d.library.rows[key]
	if t == nil {
		var err error
		t, err = cudnn.NewTensorDescriptor(cudnn.NCHW, cudnn.Float, []int{key.rows, key.cols, 1, 1}, nil)
		if err != nil {
			return d.checkLibrary("cuDNN", statusCode(err), "descriptor of %d rows of %d", key.rows, key.cols)
		}
		d.library.rows[key] = t
	}
	err := d.library.dnn.SoftmaxForward(cudnn.Accurate, cudnn.Instance, 1, t, onDevice(at), 0, t, onDevice(at))
	if err != nil {
		return d.checkLibrary("cuDNN", statusCode(err), "cudnnSoftmaxForward(%d rows of %d)", key.rows, key.cols)
	}
	return nil
}

// attendByLibrary computes attention item by item: scores = queries·keysᵀ for
// all heads in one batch, their softmax, and its product with the values.
func (d *core) attendByLibrary(ctx context.Context, w *worklist, h headArgs) error {
	if err := d.startLibrary(); err != nil {
		return err
	}
	e, width, tf32 := h.kvType, h.heads*h.dim, d.precision == compute.TF32
	tile := libraryQueries * width
	q, err := d.scratch(2*tile, e)
	if err != nil {
		return err
	}
	defer d.memory.put(q)
	out := q.at + uint64(tile*e.bytes())
	longest := 0
	for _, it := range w.items {
		longest = max(longest, int(it.keys))
	}
	size := h.heads * libraryQueries * ceil(longest, 8) * 8
	scores, err := d.scratch(size, float32s)
	if err != nil {
		return err
	}
	defer d.memory.put(scores)
	weights := scores
	if e != float32s {
		if weights, err = d.scratch(size, e); err != nil {
			return err
		}
		defer d.memory.put(weights)
	}
	copyRows := func(to uint64, ldTo int, from uint64, ldFrom, rows int) error {
		n := rows * width
		return d.launch("copy_rows", ceil(n, 256), 1, 256, 0, to, integer(ldTo), from, integer(ldFrom), uint64(e), integer(rows), integer(width))
	}
	b := e.bytes()
	for _, it := range w.items {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		keys, queries := int(it.keys), int(it.queries)
		ld := ceil(keys, 8) * 8
		if err := copyRows(q.at, width, h.q+uint64(int(it.query)*h.ldq*b), h.ldq, queries); err != nil {
			return err
		}
		at := uint64(int(it.key) * h.ldkv * b)
		code := d.library.gemm.run(keys, libraryQueries, h.dim, 1/math.Sqrt(float64(h.dim)),
			gemmOperand{h.k + at, e, true, h.ldkv, h.dim}, gemmOperand{q.at, e, false, width, h.dim},
			gemmOperand{scores.at, float32s, false, ld, ld * libraryQueries}, h.heads, tf32)
		if code != 0 {
			return d.checkLibrary("cuBLAS", code, "cublasGemmStridedBatchedEx(%d keys, %d heads of %d)", keys, h.heads, h.dim)
		}
		// Rows are as long as alignment wants them; what is behind the keys
		// weighs nothing.
		rows := h.heads * libraryQueries
		if keys < ld {
			err := d.launch("mask_columns", ceil(rows*(ld-keys), 256), 1, 256, 0, scores.at, integer(rows), integer(ld), integer(keys))
			if err != nil {
				return err
			}
		}
		if err := d.softmax(scores.at, rowsKey{rows, ld}); err != nil {
			return err
		}
		if weights.at != scores.at {
			if err := d.convert(view{at: weights.at, element: e}, view{at: scores.at}, h.heads*libraryQueries*ld); err != nil {
				return err
			}
		}
		code = d.library.gemm.run(h.dim, libraryQueries, keys, 1,
			gemmOperand{h.v + at, e, false, h.ldkv, h.dim}, gemmOperand{weights.at, e, false, ld, ld * libraryQueries},
			gemmOperand{out, e, false, width, h.dim}, h.heads, tf32)
		if code != 0 {
			return d.checkLibrary("cuBLAS", code, "cublasGemmStridedBatchedEx(%d values, %d heads of %d)", keys, h.heads, h.dim)
		}
		if err := copyRows(h.out+uint64(int(it.query)*h.ldo*b), h.ldo, out, width, queries); err != nil {
			return err
		}
		if err := d.pace.spend(d, 4*float64(libraryQueries)*float64(width)*float64(keys)); err != nil {
			return err
		}
	}
	return nil
}
