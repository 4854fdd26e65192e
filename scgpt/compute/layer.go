package compute

import "context"

// LayerStarter is implemented by a device that can run the attention of a
// transformer layer with the projection before it as one operation.
type LayerStarter interface {
	// StartLayer sets attended (n × d) to the self-attention of h (n × any) as
	// Attention gives it for Linear(h, qkv), with the same bytes unless the
	// weights are those of a [PairUploader]. qkv has 3·d outputs; attended is
	// not h.
	StartLayer(ctx context.Context, attended, h Tensor, qkv Linear, cells Layout, heads int) error
}

// CheckStartLayer holds the rules of StartLayer.
func CheckStartLayer(attended, h Tensor, qkv Linear, cells Layout, heads int) error {
	const op = "StartLayer"
	switch {
	case attended == nil || h == nil || qkv.Weight == nil || cells == nil:
		return shapeErrorf(op, "tensors, weights and layout must be set")
	case attended == h:
		return shapeErrorf(op, "destination is also a source")
	case attended.Rows() != cells.Tokens() || h.Rows() != cells.Tokens():
		return shapeErrorf(op, "destination has %d rows and source %d, the layout %d tokens", attended.Rows(), h.Rows(), cells.Tokens())
	case qkv.Weight.In() != h.Cols() || qkv.Weight.Out() != 3*attended.Cols():
		return shapeErrorf(op, "weights take %d columns to %d, want %d to 3 × %d", qkv.Weight.In(), qkv.Weight.Out(), h.Cols(), attended.Cols())
	}
	if qkv.Bias != nil {
		if err := checkVector(op, "bias", qkv.Bias, qkv.Weight.Out()); err != nil {
			return err
		}
	}
	return checkHeads(op, attended.Cols(), heads)
}

// LayerFinisher is implemented by a device that can run what follows the
// attention in a transformer layer as one operation, which saves it the way of
// intermediate results through memory.
type LayerFinisher interface {
	// FinishLayer replaces h (n × d) by
	//
	//	h = LayerNorm(h + Out(attended))
	//	h = LayerNorm(h + Down(ReLU(Up(h))))
	//
	// and gives it the bytes that Linear and AddLayerNorm would, unless the three
	// weights are those of a [PairUploader] and cells is not nil. attended has n
	// rows, as wide as Out takes them, and is not h. cells says which rows belong
	// together; nil: none do.
	FinishLayer(ctx context.Context, h, attended Tensor, cells Layout, l LayerTail) error
}

// PairUploader is implemented by a [LayerStarter] and [LayerFinisher] that can
// multiply the rows of a cell two by two with fewer operations than one by one. As
// with [InputAttender], all devices of a class are, or none, and a device that wraps
// another passes it on.
type PairUploader interface {
	// UploadPaired is UploadMatrix for weights that StartLayer and FinishLayer may
	// multiply by pairs of rows: with other last bits than Linear, which depend on
	// nothing but the cell. It takes longer for cells of one token or three. The
	// matrix may take twice the memory. For every other operation it is like any.
	UploadPaired(out, in int, data []float32) (Matrix, error)
}

// Linear is a linear layer: its weights and their bias.
type Linear struct {
	Weight Matrix
	Bias   Tensor // nil without
}

// LayerTail holds the weights of [LayerFinisher].
type LayerTail struct {
	Out, Up, Down Linear
	// Norm1 follows the projection, Norm2 the feed-forward part.
	Norm1, Norm2 Norm
}

// CheckFinishLayer holds the rules of FinishLayer.
func CheckFinishLayer(h, attended Tensor, cells Layout, l LayerTail) error {
	const op = "FinishLayer"
	switch {
	case h == nil || attended == nil || l.Out.Weight == nil || l.Up.Weight == nil || l.Down.Weight == nil:
		return shapeErrorf(op, "tensors and weights must be set")
	case h == attended:
		return shapeErrorf(op, "destination is also a source")
	}
	if h.Rows() != attended.Rows() {
		return shapeErrorf(op, "destination has %d rows, source %d", h.Rows(), attended.Rows())
	}
	if cells != nil && cells.Tokens() != h.Rows() {
		return shapeErrorf(op, "destination has %d rows, the layout %d tokens", h.Rows(), cells.Tokens())
	}
	d, hidden := h.Cols(), l.Up.Weight.Out()
	for _, part := range []struct {
		what    string
		l       Linear
		out, in int
	}{{"Out", l.Out, d, attended.Cols()}, {"Up", l.Up, hidden, d}, {"Down", l.Down, d, hidden}} {
		if w := part.l.Weight; w.Out() != part.out || w.In() != part.in {
			return shapeErrorf(op, "%s takes %d columns to %d, want %d to %d", part.what, w.In(), w.Out(), part.in, part.out)
		}
		if part.l.Bias == nil {
			continue
		}
		if err := checkVector(op, part.what+"'s bias", part.l.Bias, part.out); err != nil {
			return err
		}
	}
	for _, n := range []Norm{l.Norm1, l.Norm2} {
		if err := CheckAddLayerNorm(h, h, nil, n); err != nil {
			return err
		}
	}
	return nil
}
