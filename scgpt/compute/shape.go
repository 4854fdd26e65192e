package compute

import (
	"fmt"
	"math"
)

// ShapeError says that an operation was given tensors that don't fit together
// or an index that is out of range. It is a mistake of the caller, not of its
// data.
type ShapeError struct {
	// Op is the operation, such as "Linear".
	Op string
	// Problem says what was found and what would fit.
	Problem string
}

func (e *ShapeError) Error() string { return "compute: " + e.Op + ": " + e.Problem }

func shapeErrorf(op, format string, args ...any) error {
	return &ShapeError{Op: op, Problem: fmt.Sprintf(format, args...)}
}

// The Check functions hold the shape rules of [Device]'s operations, for
// drivers: each returns a *ShapeError or nil. They look at shapes and indices
// alone; whether a tensor is the device's own is for the device to see.

// CheckSize reports whether rows × cols is a possible tensor.
func CheckSize(op string, rows, cols int) error {
	if rows < 0 || cols < 1 {
		return shapeErrorf(op, "%d × %d is no tensor; rows must be ≥ 0 and columns ≥ 1", rows, cols)
	}
	if rows > math.MaxInt/4/cols {
		return shapeErrorf(op, "%d × %d overflows", rows, cols)
	}
	return nil
}

// CheckData reports whether data fills rows × cols.
func CheckData(op string, rows, cols int, data []float32) error {
	if err := CheckSize(op, rows, cols); err != nil {
		return err
	}
	if len(data) != rows*cols {
		return shapeErrorf(op, "%d values for %d × %d, which takes %d", len(data), rows, cols, rows*cols)
	}
	return nil
}

// CheckMatrix reports whether data holds the weights of a layer.
func CheckMatrix(out, in int, data []float32) error {
	const op = "UploadMatrix"
	if out < 1 {
		return shapeErrorf(op, "%d outputs, want at least 1", out)
	}
	return CheckData(op, out, in, data)
}

// CheckOffsets reports whether offsets describe a batch of cells.
func CheckOffsets(offsets []int32) error {
	const op = "NewLayout"
	if len(offsets) == 0 {
		return shapeErrorf(op, "no offsets; an empty batch has the one offset 0")
	}
	if offsets[0] != 0 {
		return shapeErrorf(op, "offsets[0] = %d, want 0", offsets[0])
	}
	for i := 1; i < len(offsets); i++ {
		if offsets[i] <= offsets[i-1] {
			return shapeErrorf(op, "offsets[%d] = %d after %d: every cell has at least one token", i, offsets[i], offsets[i-1])
		}
	}
	return nil
}

// CheckEmbed holds the rules of Embed.
func CheckEmbed(dst Tensor, e Embedding) error {
	const op = "Embed"
	if dst == nil || e.Table == nil {
		return shapeErrorf(op, "destination and table must be set")
	}
	n := dst.Rows()
	if e.Table.Cols() != dst.Cols() {
		return shapeErrorf(op, "table has %d columns, destination %d", e.Table.Cols(), dst.Cols())
	}
	if dst == e.Table || dst == e.Values {
		return shapeErrorf(op, "destination is also a source")
	}
	if err := checkIDs(op, "IDs", e.IDs, n, e.Table.Rows()); err != nil {
		return err
	}
	if e.Scale != nil {
		if e.Values != nil {
			return shapeErrorf(op, "Values and Scale exclude one another")
		}
		if len(e.Scale) != n {
			return shapeErrorf(op, "%d factors for %d rows", len(e.Scale), n)
		}
	}
	if e.Values == nil {
		return nil
	}
	if e.Values.Cols() != dst.Cols() {
		return shapeErrorf(op, "value table has %d columns, destination %d", e.Values.Cols(), dst.Cols())
	}
	return checkIDs(op, "Rows", e.Rows, n, e.Values.Rows())
}

func checkIDs(op, what string, ids []int32, n, rows int) error {
	if len(ids) != n {
		return shapeErrorf(op, "%d %s for %d rows", len(ids), what, n)
	}
	for i, id := range ids {
		if id < 0 || int(id) >= rows {
			return shapeErrorf(op, "%s[%d] = %d, but the table has %d rows", what, i, id, rows)
		}
	}
	return nil
}

// CheckLinear holds the rules of Linear.
func CheckLinear(dst, src Tensor, w Matrix, bias Tensor, act Activation) error {
	const op = "Linear"
	switch {
	case dst == nil || src == nil || w == nil:
		return shapeErrorf(op, "destination, source and weights must be set")
	case dst == src || dst == bias:
		return shapeErrorf(op, "destination is also a source")
	case src.Cols() != w.In():
		return shapeErrorf(op, "source has %d columns, weights take %d", src.Cols(), w.In())
	case dst.Rows() != src.Rows() || dst.Cols() != w.Out():
		return shapeErrorf(op, "destination is %d × %d, want %d × %d", dst.Rows(), dst.Cols(), src.Rows(), w.Out())
	case act < Identity || act > Sigmoid:
		return shapeErrorf(op, "unknown %v", act)
	}
	if bias != nil {
		return checkVector(op, "bias", bias, w.Out())
	}
	return nil
}

func checkVector(op, what string, v Tensor, n int) error {
	if v == nil {
		return shapeErrorf(op, "%s must be set", what)
	}
	if v.Rows() != 1 || v.Cols() != n {
		return shapeErrorf(op, "%s is %d × %d, want 1 × %d", what, v.Rows(), v.Cols(), n)
	}
	return nil
}

// CheckAttention holds the rules of Attention.
func CheckAttention(dst, qkv Tensor, cells Layout, heads int) error {
	const op = "Attention"
	switch {
	case dst == nil || qkv == nil || cells == nil:
		return shapeErrorf(op, "destination, source and layout must be set")
	case dst == qkv:
		return shapeErrorf(op, "destination is also a source")
	case dst.Rows() != cells.Tokens() || qkv.Rows() != cells.Tokens():
		return shapeErrorf(op, "destination has %d rows and source %d, the layout %d tokens", dst.Rows(), qkv.Rows(), cells.Tokens())
	case qkv.Cols() != 3*dst.Cols():
		return shapeErrorf(op, "source has %d columns, want 3 × %d", qkv.Cols(), dst.Cols())
	}
	return checkHeads(op, dst.Cols(), heads)
}

func checkHeads(op string, d, heads int) error {
	if heads < 1 || d%heads != 0 {
		return shapeErrorf(op, "%d heads do not divide %d columns", heads, d)
	}
	return nil
}

// CheckAttentionFirst holds the rules of AttentionFirst.
func CheckAttentionFirst(dst, q, kv Tensor, cells Layout, heads int) error {
	const op = "AttentionFirst"
	switch {
	case dst == nil || q == nil || kv == nil || cells == nil:
		return shapeErrorf(op, "destination, sources and layout must be set")
	case dst == q || dst == kv:
		return shapeErrorf(op, "destination is also a source")
	case dst.Rows() != cells.Cells() || q.Rows() != cells.Cells():
		return shapeErrorf(op, "destination has %d rows and queries %d, the layout %d cells", dst.Rows(), q.Rows(), cells.Cells())
	case kv.Rows() != cells.Tokens():
		return shapeErrorf(op, "keys and values have %d rows, the layout %d tokens", kv.Rows(), cells.Tokens())
	case q.Cols() != dst.Cols() || kv.Cols() != 2*dst.Cols():
		return shapeErrorf(op, "queries have %d columns and keys with values %d, want %d and 2 × %d", q.Cols(), kv.Cols(), dst.Cols(), dst.Cols())
	}
	return checkHeads(op, dst.Cols(), heads)
}

// CheckAttentionScores holds the rules of AttentionScores.
func CheckAttentionScores(dst, qkv Tensor, from, to, heads int) error {
	const op = "AttentionScores"
	switch {
	case dst == nil || qkv == nil:
		return shapeErrorf(op, "destination and source must be set")
	case dst == qkv:
		return shapeErrorf(op, "destination is also a source")
	case from < 0 || to <= from || to > qkv.Rows():
		return shapeErrorf(op, "rows %d to %d of a source with %d", from, to, qkv.Rows())
	case qkv.Cols()%3 != 0:
		return shapeErrorf(op, "source has %d columns, want a multiple of 3", qkv.Cols())
	}
	if err := checkHeads(op, qkv.Cols()/3, heads); err != nil {
		return err
	}
	if m := to - from; dst.Rows() != heads*m || dst.Cols() != m {
		return shapeErrorf(op, "destination is %d × %d, want %d × %d", dst.Rows(), dst.Cols(), heads*m, m)
	}
	return nil
}

// CheckAddLayerNorm holds the rules of AddLayerNorm.
func CheckAddLayerNorm(dst, a, b Tensor, n Norm) error {
	const op = "AddLayerNorm"
	if dst == nil || a == nil {
		return shapeErrorf(op, "destination and source must be set")
	}
	if err := checkSame(op, dst, a); err != nil {
		return err
	}
	if b != nil {
		if err := checkSame(op, dst, b); err != nil {
			return err
		}
	}
	if !(n.Eps >= 0) {
		return shapeErrorf(op, "eps = %g, want a number ≥ 0", n.Eps)
	}
	if err := checkVector(op, "gamma", n.Gamma, dst.Cols()); err != nil {
		return err
	}
	return checkVector(op, "beta", n.Beta, dst.Cols())
}

func checkSame(op string, dst, src Tensor) error {
	if dst.Rows() != src.Rows() || dst.Cols() != src.Cols() {
		return shapeErrorf(op, "destination is %d × %d, source %d × %d", dst.Rows(), dst.Cols(), src.Rows(), src.Cols())
	}
	return nil
}

// CheckNormalize holds the rules of Normalize.
func CheckNormalize(dst, src, mean, scale, shift Tensor) error {
	const op = "Normalize"
	if dst == nil || src == nil {
		return shapeErrorf(op, "destination and source must be set")
	}
	if err := checkSame(op, dst, src); err != nil {
		return err
	}
	for _, v := range []struct {
		what string
		t    Tensor
	}{{"mean", mean}, {"scale", scale}, {"shift", shift}} {
		if err := checkVector(op, v.what, v.t, dst.Cols()); err != nil {
			return err
		}
	}
	return nil
}

// CheckPool holds the rules of Pool.
func CheckPool(dst, src Tensor, cells Layout, weights []float32) error {
	const op = "Pool"
	switch {
	case dst == nil || src == nil || cells == nil:
		return shapeErrorf(op, "destination, source and layout must be set")
	case dst == src:
		return shapeErrorf(op, "destination is also a source")
	case dst.Rows() != cells.Cells() || dst.Cols() != src.Cols():
		return shapeErrorf(op, "destination is %d × %d, want %d × %d", dst.Rows(), dst.Cols(), cells.Cells(), src.Cols())
	case src.Rows() != cells.Tokens() || len(weights) != cells.Tokens():
		return shapeErrorf(op, "%d rows and %d weights for a layout of %d tokens", src.Rows(), len(weights), cells.Tokens())
	}
	return nil
}

// CheckDot holds the rules of Dot.
func CheckDot(dst, a, b Tensor, cells Layout) error {
	const op = "Dot"
	switch {
	case dst == nil || a == nil || b == nil || cells == nil:
		return shapeErrorf(op, "destination, sources and layout must be set")
	case dst == a || dst == b:
		return shapeErrorf(op, "destination is also a source")
	case dst.Rows() != cells.Tokens() || dst.Cols() != 1:
		return shapeErrorf(op, "destination is %d × %d, want %d × 1", dst.Rows(), dst.Cols(), cells.Tokens())
	case a.Rows() != cells.Tokens() || b.Rows() != cells.Cells() || a.Cols() != b.Cols():
		return shapeErrorf(op, "sources are %d × %d and %d × %d for %d tokens of %d cells", a.Rows(), a.Cols(), b.Rows(), b.Cols(), cells.Tokens(), cells.Cells())
	}
	return nil
}

// CheckRead holds the rules of Read.
func CheckRead(dst []float32, src Tensor) error {
	if src == nil {
		return shapeErrorf("Read", "source must be set")
	}
	if len(dst) != src.Rows()*src.Cols() {
		return shapeErrorf("Read", "%d values for a tensor of %d × %d", len(dst), src.Rows(), src.Cols())
	}
	return nil
}
