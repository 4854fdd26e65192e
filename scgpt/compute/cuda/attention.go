//go:build cuda

package cuda

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// attention is a kernel that computes heads of one size.
type attention struct {
	kernel  string
	queries int // rows of queries that a block takes
	threads int
	shared  int // bytes of dynamic shared memory
	// element is what it reads and writes; a kernel of any type reads the
	// types behind its other arguments.
	element element
	any     bool
	// library: cuBLAS and cuDNN instead of a kernel.
	library bool
}

const simpleQueries = 8

// maxSimpleHead is the largest head that the kernel for any size takes.
const maxSimpleHead = 256

// fusedHeads are the head sizes of kernels/attention.cu.
var fusedHeads = []int{16, 32, 64, 128}

// attentionFor returns the kernel for a head size and width: the same one for
// all tokens and for the first ones alone. It depends on sizes and the GPU, not
// on what is computed.
func (d *core) attentionFor(op string, width, heads int) (attention, error) {
	dim := width / heads
	canFuse := slices.Contains(fusedHeads, dim) && width%storedColumns == 0
	if way := d.config.attention; canFuse && way != cublas && way != simple {
		a := d.fusedAttention(dim)
		if a.shared <= d.sharedLimit {
			return a, d.kernels.loadFused(d, a.kernel, dim, a.shared)
		}
	}
	if way := d.config.attention; (way == auto || way == cublas) && dim%8 == 0 && width%storedColumns == 0 {
		return attention{library: true, queries: libraryQueries, element: d.elementFor(width)}, nil
	}
	if dim > maxSimpleHead {
		return attention{}, &compute.ShapeError{Op: op, Problem: fmt.Sprintf("heads of %d columns; this device takes at most %d", dim, maxSimpleHead)}
	}
	return attention{kernel: "attend", queries: simpleQueries, threads: 32 * simpleQueries, shared: 4 * simpleQueries * (dim + 128), any: true}, nil
}

// fusedAttention returns the launch of a kernel of kernels/attention.cu, as the
// comments there have it.
func (d *core) fusedAttention(dim int) attention {
	a := attention{kernel: fmt.Sprintf("attention_%s_%d", d.precision, dim)}
	switch d.precision {
	case compute.FP32:
		a.queries, a.threads, a.shared = 64, 256, 256*(max(dim, 64)+4)+512*(dim+4)
		return a
	case compute.BF16:
		a.element = bfloat16s
		if d.arch == 90 && dim == 64 && d.config.attention != mma {
			// Hopper's own instructions.
			a.kernel, a.threads, a.queries, a.shared = "attention_wgmma_64", 256, 128, 65536
			return a
		}
		a.shared = 512 * dim
	default:
		a.shared = 512*dim + 5120
	}
	a.threads = 128
	a.queries = 128
	if dim == 128 {
		a.queries = 64
	}
	return a
}

func (d *device) Attention(ctx context.Context, dst, qkv compute.Tensor, cells compute.Layout, heads int) error {
	const op = "Attention"
	if err := compute.CheckAttention(dst, qkv, cells, heads); err != nil {
		return err
	}
	return d.operate(ctx, op, func() error {
		to, err := d.source(op, "destination", dst)
		if err != nil {
			return err
		}
		from, err := d.source(op, "source", qkv)
		if err != nil {
			return err
		}
		l, _, err := d.cells(op, cells)
		if err != nil {
			return err
		}
		width := dst.Cols()
		a, err := d.attentionFor(op, width, heads)
		if err != nil || l.cells == 0 {
			return err
		}
		d.written(dst)
		w, err := d.work(l, a.queries)
		if err != nil {
			return err
		}
		src, release, err := d.attentionSource(a, from, 3*l.tokens*width)
		if err != nil {
			return err
		}
		defer release()
		out, finish, err := d.attentionTarget(a, to, l.tokens*width)
		if err != nil {
			return err
		}
		size := uint64(width * src.element.bytes())
		return finish(d.attend(ctx, a, w, headArgs{
			q: src.at, ldq: 3 * width, k: src.at + size, v: src.at + 2*size, ldkv: 3 * width,
			out: out.at, ldo: width, heads: heads, dim: width / heads,
			qType: src.element, kvType: src.element, outType: out.element,
		}))
	})
}

func (d *device) AttentionFirst(ctx context.Context, dst, q, kv compute.Tensor, cells compute.Layout, heads int) error {
	const op = "AttentionFirst"
	if err := compute.CheckAttentionFirst(dst, q, kv, cells, heads); err != nil {
		return err
	}
	return d.operate(ctx, op, func() error {
		to, err := d.source(op, "destination", dst)
		if err != nil {
			return err
		}
		queries, err := d.source(op, "queries", q)
		if err != nil {
			return err
		}
		from, err := d.source(op, "keys and values", kv)
		if err != nil {
			return err
		}
		l, _, err := d.cells(op, cells)
		if err != nil {
			return err
		}
		width := dst.Cols()
		a, err := d.attentionFor(op, width, heads)
		if err != nil || l.cells == 0 {
			return err
		}
		d.written(dst)
		w, err := d.firstWork(l)
		if err != nil {
			return err
		}
		qs, releaseQ, err := d.attentionSource(a, queries, l.cells*width)
		if err != nil {
			return err
		}
		defer releaseQ()
		kvs, releaseKV, err := d.attentionSource(a, from, 2*l.tokens*width)
		if err != nil {
			return err
		}
		defer releaseKV()
		out, finish, err := d.attentionTarget(a, to, l.cells*width)
		if err != nil {
			return err
		}
		return finish(d.attend(ctx, a, w, headArgs{
			q: qs.at, ldq: width, k: kvs.at, v: kvs.at + uint64(width*kvs.element.bytes()), ldkv: 2 * width,
			out: out.at, ldo: width, heads: heads, dim: width / heads,
			qType: qs.element, kvType: kvs.element, outType: out.element,
		}))
	})
}

// attentionSource returns numbers in the type that a kernel reads.
func (d *core) attentionSource(a attention, v view, n int) (view, func(), error) {
	if a.any || v.element == a.element {
		return v, func() {}, nil
	}
	b, err := d.scratch(n, a.element)
	if err != nil {
		return view{}, nil, err
	}
	out := view{b.at, a.element, b.bytes}
	if err := d.convert(out, v, n); err != nil {
		d.memory.put(b)
		return view{}, nil, err
	}
	return out, func() { d.memory.put(b) }, nil
}

// attentionTarget returns where a kernel may write its type, and what to call
// behind it.
func (d *core) attentionTarget(a attention, v view, n int) (view, func(error) error, error) {
	if a.any || v.element == a.element {
		return v, func(err error) error { return err }, nil
	}
	b, err := d.scratch(n, a.element)
	if err != nil {
		return view{}, nil, err
	}
	out := view{b.at, a.element, b.bytes}
	return out, func(err error) error {
		defer d.memory.put(b)
		if err != nil {
			return err
		}
		return d.convert(v, out, n)
	}, nil
}

// headArgs are the operands of attention; leading dimensions are in numbers.
type headArgs struct {
	q, k, v, out           uint64
	ldq, ldkv, ldo         int
	heads, dim             int
	qType, kvType, outType element
}

// attend queues the items of a list, cut into launches of bounded work with a
// look at the context in between.
func (d *core) attend(ctx context.Context, a attention, w *worklist, h headArgs) error {
	if a.library {
		return d.attendByLibrary(ctx, w, h)
	}
	perKey := 4 * float64(a.queries) * float64(h.dim) * float64(h.heads)
	scale := 1 / math.Sqrt(float64(h.dim))
	for from := 0; from < len(w.items); {
		work, to := 0.0, from
		for to < len(w.items) && (to == from || work < slice*d.pace.rate) {
			work += perKey * float64(w.items[to].keys)
			to++
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		args := []uint64{
			h.q, integer(h.ldq), h.k, h.v, integer(h.ldkv), h.out, integer(h.ldo), w.memory.at, integer(from), number(scale),
		}
		if a.any {
			args = append(args, integer(h.dim), uint64(h.kvType), uint64(h.qType), uint64(h.outType))
		}
		if err := d.launch(a.kernel, to-from, h.heads, a.threads, a.shared, args...); err != nil {
			return err
		}
		if err := d.pace.spend(d, work); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// AttentionScores multiplies head by head in float32, whatever the precision:
// it is used to look at few cells, and ranked.
func (d *device) AttentionScores(ctx context.Context, dst, qkv compute.Tensor, from, to, heads int) error {
	const op = "AttentionScores"
	if err := compute.CheckAttentionScores(dst, qkv, from, to, heads); err != nil {
		return err
	}
	return d.operate(ctx, op, func() error {
		out, err := d.source(op, "destination", dst)
		if err != nil {
			return err
		}
		src, err := d.source(op, "source", qkv)
		if err != nil {
			return err
		}
		d.written(dst)
		width, m := qkv.Cols()/3, to-from
		dim := width / heads
		src.at += uint64(from * 3 * width * src.element.bytes())
		rows, release, err := d.floats(src, m*3*width)
		if err != nil {
			return err
		}
		defer release()
		scores := out
		if out.element != float32s {
			b, err := d.scratch(heads*m*m, float32s)
			if err != nil {
				return err
			}
			defer d.memory.put(b)
			scores = view{at: b.at}
		}
		for h := range heads {
			q := rows + uint64(4*h*dim)
			// In column-major words: scoresᵀ = keysᵀ·queries.
			d.blas.Sgemm(blas.Trans, blas.NoTrans, m, m, dim, 1,
				slice32(q+uint64(4*width)), 3*width, slice32(q), 3*width, 0, slice32(scores.at+uint64(4*h*m*m)), m)
			if err := d.blas.Err(); err != nil {
				return d.checkLibrary("cuBLAS", statusCode(err), "cublasSgemm(%d × %d, depth %d)", m, m, dim)
			}
			if err := d.pace.spend(d.core, 2*float64(m)*float64(m)*float64(dim)); err != nil {
				return err
			}
		}
		if scores.at != out.at {
			return d.convert(out, scores, heads*m*m)
		}
		return nil
	})
}
