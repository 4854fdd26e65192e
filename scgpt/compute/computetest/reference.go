package computetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func init() { compute.Register("reference", driver{}) }

// driver is not a compute.Ranker: "auto" never chooses the reference.
type driver struct{}

func (driver) Open(config string, opts compute.Options) (compute.Device, error) {
	if config != "" {
		return nil, fmt.Errorf("configuration %q: there is none", config)
	}
	if p := opts.Precision; p != "" && p != compute.FP32 {
		return nil, fmt.Errorf("precision %q is not available on this device; available: %s", p, compute.FP32)
	}
	return NewReference(), nil
}

// NewReference returns the reference device: numbers are stored as float32,
// every operation computes in float64 and rounds once, at its end.
func NewReference() compute.Device { return &reference{} }

type reference struct {
	mu     sync.Mutex
	closed bool
}

type tensor struct {
	dev        *reference
	rows, cols int
	data       []float32
}

func (t *tensor) Rows() int { return t.rows }
func (t *tensor) Cols() int { return t.cols }
func (t *tensor) Free() {
	t.dev.mu.Lock()
	defer t.dev.mu.Unlock()
	t.data = nil
}

func (t *tensor) row(r int) []float32 { return t.data[r*t.cols : (r+1)*t.cols] }

type matrix struct{ tensor }

func (m *matrix) Out() int { return m.rows }
func (m *matrix) In() int  { return m.cols }

type layout struct {
	dev           *reference
	cells, tokens int
	offsets       []int32
}

func (l *layout) Cells() int  { return l.cells }
func (l *layout) Tokens() int { return l.tokens }
func (l *layout) Free() {
	l.dev.mu.Lock()
	defer l.dev.mu.Unlock()
	l.offsets = nil
}

func (d *reference) Class() string { return "reference/fp64/fp32" }

func (d *reference) BatchTokens() int { return 1024 }

func (d *reference) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

func (d *reference) usable() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errors.New("computetest: reference device is closed")
	}
	return nil
}

func (d *reference) Upload(rows, cols int, data []float32) (compute.Tensor, error) {
	if err := compute.CheckData("Upload", rows, cols, data); err != nil {
		return nil, err
	}
	own := make([]float32, len(data))
	copy(own, data)
	return &tensor{d, rows, cols, own}, d.usable()
}

func (d *reference) UploadMatrix(out, in int, data []float32) (compute.Matrix, error) {
	if err := compute.CheckMatrix(out, in, data); err != nil {
		return nil, err
	}
	return &matrix{tensor{d, out, in, slices.Clone(data)}}, d.usable()
}

func (d *reference) NewTensor(rows, cols int) (compute.Tensor, error) {
	if err := compute.CheckSize("NewTensor", rows, cols); err != nil {
		return nil, err
	}
	t := &tensor{d, rows, cols, make([]float32, rows*cols)}
	for i := range t.data {
		t.data[i] = float32(math.NaN())
	}
	return t, d.usable()
}

func (d *reference) NewLayout(offsets []int32) (compute.Layout, error) {
	if err := compute.CheckOffsets(offsets); err != nil {
		return nil, err
	}
	own := slices.Clone(offsets)
	return &layout{d, len(own) - 1, int(own[len(own)-1]), own}, d.usable()
}

// begin takes the device and checks that every handle (nil ones aside) is the
// device's own and alive. On success the caller unlocks.
func (d *reference) begin(ctx context.Context, op string, handles ...any) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := d.usable(); err != nil {
		return err
	}
	d.mu.Lock()
	for _, h := range handles {
		alive := true
		switch h := h.(type) {
		case nil:
		case *tensor:
			alive = h.dev == d && h.data != nil
		case *matrix:
			alive = h.dev == d && h.data != nil
		case *layout:
			alive = h.dev == d && h.offsets != nil
		default:
			alive = false
		}
		if !alive {
			d.mu.Unlock()
			return &compute.ShapeError{Op: op, Problem: fmt.Sprintf("a %T is freed or belongs to another device", h)}
		}
	}
	return nil
}

func (d *reference) Embed(ctx context.Context, dst compute.Tensor, e compute.Embedding) error {
	if err := compute.CheckEmbed(dst, e); err != nil {
		return err
	}
	if err := d.begin(ctx, "Embed", dst, e.Table, e.Values); err != nil {
		return err
	}
	defer d.mu.Unlock()
	out, table := dst.(*tensor), e.Table.(*tensor)
	for t, id := range e.IDs {
		for j, v := range table.row(int(id)) {
			switch {
			case e.Values != nil:
				v += e.Values.(*tensor).row(int(e.Rows[t]))[j]
			case e.Scale != nil:
				v *= e.Scale[t]
			}
			out.row(t)[j] = v
		}
	}
	return nil
}

func (d *reference) Linear(ctx context.Context, dst, src compute.Tensor, w compute.Matrix, bias compute.Tensor, act compute.Activation) error {
	if err := compute.CheckLinear(dst, src, w, bias, act); err != nil {
		return err
	}
	if err := d.begin(ctx, "Linear", dst, src, w, bias); err != nil {
		return err
	}
	defer d.mu.Unlock()
	out, in, weights := dst.(*tensor), src.(*tensor), w.(*matrix)
	for r := range out.rows {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		for j := range out.cols {
			sum := dot(in.row(r), weights.row(j))
			if bias != nil {
				sum += float64(bias.(*tensor).data[j])
			}
			out.row(r)[j] = float32(activate(sum, act))
		}
	}
	return nil
}

func dot(a, b []float32) float64 {
	var sum float64
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

func activate(x float64, act compute.Activation) float64 {
	switch act {
	case compute.ReLU:
		return max(x, 0)
	case compute.LeakyReLU:
		return max(x, 0.01*x)
	case compute.Sigmoid:
		return 1 / (1 + math.Exp(-x))
	}
	return x
}

func (d *reference) Attention(ctx context.Context, dst, qkv compute.Tensor, cells compute.Layout, heads int) error {
	if err := compute.CheckAttention(dst, qkv, cells, heads); err != nil {
		return err
	}
	if err := d.begin(ctx, "Attention", dst, qkv, cells); err != nil {
		return err
	}
	defer d.mu.Unlock()
	out, in, offsets := dst.(*tensor), qkv.(*tensor), cells.(*layout).offsets
	width := out.cols
	for c := range cells.Cells() {
		var keys, values [][]float32
		for t := offsets[c]; t < offsets[c+1]; t++ {
			keys = append(keys, in.row(int(t))[width:2*width])
			values = append(values, in.row(int(t))[2*width:])
		}
		for t := offsets[c]; t < offsets[c+1]; t++ {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			attend(out.row(int(t)), in.row(int(t))[:width], keys, values, heads)
		}
	}
	return nil
}

func (d *reference) AttentionFirst(ctx context.Context, dst, q, kv compute.Tensor, cells compute.Layout, heads int) error {
	if err := compute.CheckAttentionFirst(dst, q, kv, cells, heads); err != nil {
		return err
	}
	if err := d.begin(ctx, "AttentionFirst", dst, q, kv, cells); err != nil {
		return err
	}
	defer d.mu.Unlock()
	out, queries, in, offsets := dst.(*tensor), q.(*tensor), kv.(*tensor), cells.(*layout).offsets
	width := out.cols
	for c := range cells.Cells() {
		var keys, values [][]float32
		for t := offsets[c]; t < offsets[c+1]; t++ {
			keys = append(keys, in.row(int(t))[:width])
			values = append(values, in.row(int(t))[width:])
		}
		attend(out.row(c), queries.row(c), keys, values, heads)
	}
	return nil
}

// attend computes one query's row, head by head.
func attend(out, query []float32, keys, values [][]float32, heads int) {
	dim := len(query) / heads
	weights := make([]float64, len(keys))
	for h := range heads {
		from, to := h*dim, (h+1)*dim
		top := math.Inf(-1)
		for i, k := range keys {
			weights[i] = dot(query[from:to], k[from:to]) / math.Sqrt(float64(dim))
			top = max(top, weights[i])
		}
		var total float64
		for i, w := range weights {
			weights[i] = math.Exp(w - top)
			total += weights[i]
		}
		for j := from; j < to; j++ {
			var sum float64
			for i, w := range weights {
				sum += w * float64(values[i][j])
			}
			out[j] = float32(sum / total)
		}
	}
}

func (d *reference) AttentionScores(ctx context.Context, dst, qkv compute.Tensor, from, to, heads int) error {
	if err := compute.CheckAttentionScores(dst, qkv, from, to, heads); err != nil {
		return err
	}
	if err := d.begin(ctx, "AttentionScores", dst, qkv); err != nil {
		return err
	}
	defer d.mu.Unlock()
	out, in := dst.(*tensor), qkv.(*tensor)
	width, m := in.cols/3, to-from
	dim := width / heads
	for h := range heads {
		for i := range m {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			query := in.row(from + i)[h*dim : (h+1)*dim]
			for j := range m {
				out.row(h*m + i)[j] = float32(dot(query, in.row(from + j)[width+h*dim:]))
			}
		}
	}
	return nil
}

func (d *reference) AddLayerNorm(ctx context.Context, dst, a, b compute.Tensor, n compute.Norm) error {
	if err := compute.CheckAddLayerNorm(dst, a, b, n); err != nil {
		return err
	}
	if err := d.begin(ctx, "AddLayerNorm", dst, a, b, n.Gamma, n.Beta); err != nil {
		return err
	}
	defer d.mu.Unlock()
	out, gamma, beta := dst.(*tensor), n.Gamma.(*tensor).data, n.Beta.(*tensor).data
	x := make([]float64, out.cols)
	for r := range out.rows {
		var mean, variance float64
		for j, v := range a.(*tensor).row(r) {
			x[j] = float64(v)
			if b != nil {
				x[j] += float64(b.(*tensor).row(r)[j])
			}
			mean += x[j] / float64(out.cols)
		}
		for _, v := range x {
			variance += (v - mean) * (v - mean) / float64(out.cols)
		}
		for j, v := range x {
			out.row(r)[j] = float32((v-mean)/math.Sqrt(variance+float64(n.Eps))*float64(gamma[j]) + float64(beta[j]))
		}
	}
	return nil
}

func (d *reference) Normalize(ctx context.Context, dst, src, mean, scale, shift compute.Tensor) error {
	if err := compute.CheckNormalize(dst, src, mean, scale, shift); err != nil {
		return err
	}
	if err := d.begin(ctx, "Normalize", dst, src, mean, scale, shift); err != nil {
		return err
	}
	defer d.mu.Unlock()
	out := dst.(*tensor)
	for r := range out.rows {
		for j, v := range src.(*tensor).row(r) {
			m, s, b := mean.(*tensor).data[j], scale.(*tensor).data[j], shift.(*tensor).data[j]
			out.row(r)[j] = float32((float64(v)-float64(m))*float64(s) + float64(b))
		}
	}
	return nil
}

func (d *reference) Pool(ctx context.Context, dst, src compute.Tensor, cells compute.Layout, weights []float32) error {
	if err := compute.CheckPool(dst, src, cells, weights); err != nil {
		return err
	}
	if err := d.begin(ctx, "Pool", dst, src, cells); err != nil {
		return err
	}
	defer d.mu.Unlock()
	out, offsets := dst.(*tensor), cells.(*layout).offsets
	for c := range out.rows {
		for j := range out.cols {
			var sum float64
			for t := int(offsets[c]); t < int(offsets[c+1]); t++ {
				sum += float64(weights[t]) * float64(src.(*tensor).row(t)[j])
			}
			out.row(c)[j] = float32(sum)
		}
	}
	return nil
}

func (d *reference) Dot(ctx context.Context, dst, a, b compute.Tensor, cells compute.Layout) error {
	if err := compute.CheckDot(dst, a, b, cells); err != nil {
		return err
	}
	if err := d.begin(ctx, "Dot", dst, a, b, cells); err != nil {
		return err
	}
	defer d.mu.Unlock()
	offsets := cells.(*layout).offsets
	for c := range cells.Cells() {
		for t := int(offsets[c]); t < int(offsets[c+1]); t++ {
			dst.(*tensor).data[t] = float32(dot(a.(*tensor).row(t), b.(*tensor).row(c)))
		}
	}
	return nil
}

func (d *reference) Read(ctx context.Context, dst []float32, src compute.Tensor) error {
	if err := compute.CheckRead(dst, src); err != nil {
		return err
	}
	if err := d.begin(ctx, "Read", src); err != nil {
		return err
	}
	defer d.mu.Unlock()
	copy(dst, src.(*tensor).data)
	return nil
}
