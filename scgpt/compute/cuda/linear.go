//go:build cuda

package cuda

import (
	"context"
	"fmt"
	"sync/atomic"

	blas "gorgonia.org/cu/blas"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// matrix holds weights, out × in, row-major: in the type of the products where
// cuBLAS multiplies them, else in float32.
type matrix struct {
	dev     *core
	out, in int
	element element
	memory  atomic.Pointer[block]
}

func (m *matrix) Out() int { return m.out }
func (m *matrix) In() int  { return m.in }

func (m *matrix) Free() {
	if b := m.memory.Swap(nil); b != nil && !m.dev.closed.Load() {
		m.dev.memory.put(*b)
	}
}

// byLibrary says which products cuBLAS computes. It looks at what the parts of
// a layer's weights have in common, so that a part has the bytes of the whole.
func byLibrary(in, out int) bool { return in%storedColumns == 0 && out%storedColumns == 0 }

func (d *device) UploadMatrix(out, in int, data []float32) (compute.Matrix, error) {
	if err := compute.CheckMatrix(out, in, data); err != nil {
		return nil, err
	}
	m := &matrix{dev: d.core, out: out, in: in}
	if byLibrary(in, out) {
		m.element = d.elementFor(storedColumns)
	}
	n := out * in
	b, err := d.allocate(int64(n * m.element.bytes()))
	if err != nil {
		return nil, err
	}
	err = d.run(context.Background(), func() error {
		if m.element == float32s {
			return uploadSlice(d.core, b.at, data)
		}
		raw, err := d.scratch(n, float32s)
		if err != nil {
			return err
		}
		defer d.memory.put(raw)
		if err := uploadSlice(d.core, raw.at, data); err != nil {
			return err
		}
		return d.convert(view{at: b.at, element: m.element}, view{at: raw.at}, n)
	})
	if err != nil {
		d.memory.put(b)
		return nil, err
	}
	m.memory.Store(&b)
	return m, nil
}

// productKey is all that the choice of a product's algorithm depends on.
type productKey struct {
	in, out    int
	bias, relu bool
}

// nominalRows is the number of rows for which algorithms are chosen, whatever
// the rows of a call.
const nominalRows = 65536

func (d *core) startProducts() error {
	d.products = make(map[productKey]*product)
	var code int
	if d.matmul, code = newMatmul(); code != 0 {
		return d.checkLibrary("cuBLAS", code, "cublasLtCreate")
	}
	d.blas = new(blas.Standard)
	if err := d.blas.Init(); err != nil {
		d.blas = nil
		return fmt.Errorf("%s: cublasCreate: %w", d.label, err)
	}
	if code := setBLASStream(d.blas, d.stream); code != 0 {
		return d.checkLibrary("cuBLAS", code, "cublasSetStream")
	}
	var err error
	d.workspace, err = d.allocateHere(min(workspaceBytes, aligned(d.memory.limit/16)))
	return err
}

func (d *core) releaseProducts() error {
	for _, p := range d.products {
		p.free()
	}
	d.products = nil
	if d.blas != nil {
		if err := d.blas.Close(); err != nil {
			return fmt.Errorf("%s: cublasDestroy: %w", d.label, err)
		}
	}
	return d.checkLibrary("cuBLAS", d.matmul.close(), "cublasLtDestroy")
}

// product returns a shape's product. Its algorithm is cuBLAS's first choice for
// a square matrix of that depth, if it can: then parts of a layer's weights
// (queries alone, keys and values) give the bytes that the whole gives.
func (d *core) product(key productKey) (*product, error) {
	if p, ok := d.products[key]; ok {
		return p, nil
	}
	rows := int64(ceil(nominalRows, d.config.rows) * d.config.rows)
	name := fmt.Sprintf("%d × %d to %d, %s, bias %v, relu %v", rows, key.in, key.out, d.precision, key.bias, key.relu)
	p, code := newProduct(d.precision == compute.BF16, d.precision == compute.TF32, key.in, key.out, rows, key.bias, key.relu)
	if code != 0 {
		return nil, d.checkLibrary("cuBLAS", code, "descriptors of the product %s", name)
	}
	if key.out != key.in {
		square, err := d.product(productKey{key.in, key.in, key.bias, key.relu})
		if err != nil {
			p.free()
			return nil, err
		}
		if p.adopt(d.matmul, square, d.workspace.bytes) {
			d.products[key] = p
			d.log("product", "shape", name, "adopted", p.algorithm)
			return p, nil
		}
	}
	found, code := p.choose(d.matmul, d.workspace.bytes, d.config.algorithm)
	if code != 0 || !found {
		p.free()
		if code == 0 {
			code = 15 // not supported
		}
		return nil, d.checkLibrary("cuBLAS", code, "cublasLtMatmulAlgoGetHeuristic(%s)", name)
	}
	d.products[key] = p
	d.log("product", "shape", name, "chosen", p.algorithm)
	return p, nil
}

func (d *device) Linear(ctx context.Context, dst, src compute.Tensor, w compute.Matrix, bias compute.Tensor, act compute.Activation) error {
	const op = "Linear"
	if err := compute.CheckLinear(dst, src, w, bias, act); err != nil {
		return err
	}
	return d.operate(ctx, fmt.Sprintf("%s %d to %d", op, w.In(), w.Out()), func() error {
		to, err := d.source(op, "destination", dst)
		if err != nil {
			return err
		}
		from, err := d.source(op, "source", src)
		if err != nil {
			return err
		}
		weights, err := d.weights(op, w)
		if err != nil {
			return err
		}
		if bias != nil {
			if _, err := d.source(op, "bias", bias); err != nil {
				return err
			}
		}
		n, in, out := src.Rows(), w.In(), w.Out()
		if n == 0 {
			return nil
		}
		d.written(dst)
		if byLibrary(in, out) {
			err = d.multiply(to, from, weights, bias, n, in, out, act)
		} else {
			err = d.multiplyAny(op, to, from, weights, bias, n, in, out, act)
		}
		if err != nil {
			return err
		}
		return d.pace.spend(d.core, 2*float64(n)*float64(in)*float64(out)+flopsPerByte*4*float64(n)*float64(in+out))
	})
}

func (d *core) weights(op string, w compute.Matrix) (view, error) {
	own, ok := w.(*matrix)
	if !ok || own.dev != d {
		return view{}, foreign(op, "matrix")
	}
	b := own.memory.Load()
	if b == nil {
		return view{}, foreign(op, "matrix")
	}
	return view{b.at, own.element, b.bytes}, nil
}

// multiplyAny uses the kernel for odd shapes.
func (d *core) multiplyAny(op string, to, from, w view, bias compute.Tensor, n, in, out int, act compute.Activation) error {
	var start uint64
	if bias != nil {
		at, release, err := d.vector(op, "bias", bias)
		if err != nil {
			return err
		}
		defer release()
		start = at
	}
	return d.launch("linear_any", ceil(n, 32), ceil(out, 32), 256, 0,
		to.at, to.kind(), from.at, from.kind(), w.at, start, integer(n), integer(in), integer(out), integer(int(act)))
}

// multiply uses cuBLAS, on rows padded to a constant multiple. What the padding
// holds does not matter: no row sees another one.
func (d *core) multiply(to, from, w view, bias compute.Tensor, n, in, out int, act compute.Activation) error {
	rows := d.padded(n)
	e := w.element
	x, releaseX, err := d.operand(from, e, n, rows, in, true)
	if err != nil {
		return err
	}
	defer releaseX()
	y, releaseY, err := d.operand(to, e, n, rows, out, false)
	if err != nil {
		return err
	}
	defer releaseY()
	var start uint64
	if bias != nil {
		if start, err = d.bias(bias.(*tensor), e); err != nil {
			return err
		}
	}
	p, err := d.product(productKey{in, out, bias != nil, act == compute.ReLU})
	if err != nil {
		return err
	}
	code := p.run(d.matmul, int64(rows), w.at, x.at, y.at, start, d.workspace, d.stream)
	if err := d.checkLibrary("cuBLAS", code, "cublasLtMatmul(%d × %d to %d, %s)", rows, in, out, d.precision); err != nil {
		return err
	}
	if act == compute.LeakyReLU || act == compute.Sigmoid {
		err := d.launch("activate", ceil(n*out, 256), 1, 256, 0, y.at, y.kind(), integer(n*out), integer(int(act)))
		if err != nil {
			return err
		}
	}
	if y.at != to.at {
		return d.convert(to, y, n*out)
	}
	return nil
}

// operand returns a tensor's memory as a product wants it: of its type and with
// room for the padded rows. It is scratch memory, filled if wanted, where the
// tensor's own does not do.
func (d *core) operand(v view, e element, n, rows, cols int, fill bool) (view, func(), error) {
	if v.element == e && v.room >= int64(rows)*int64(cols)*int64(e.bytes()) {
		return v, func() {}, nil
	}
	b, err := d.scratch(rows*cols, e)
	if err != nil {
		return view{}, nil, err
	}
	out := view{b.at, e, b.bytes}
	if fill {
		if err := d.convert(out, v, n*cols); err != nil {
			d.memory.put(b)
			return view{}, nil, err
		}
	}
	return out, func() { d.memory.put(b) }, nil
}

// bias returns a bias in the type of the products.
func (d *core) bias(t *tensor, e element) (uint64, error) {
	b := t.memory.Load()
	if t.element == e {
		return b.at, nil
	}
	if t.half == nil {
		n := t.rows * t.cols
		half, err := d.scratch(n, e)
		if err != nil {
			return 0, err
		}
		if err := d.convert(view{at: half.at, element: e}, view{at: b.at, element: t.element}, n); err != nil {
			d.memory.put(half)
			return 0, err
		}
		t.half = &half
	}
	return t.half.at, nil
}
