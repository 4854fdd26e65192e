package compute

import "context"

// InputAttender is implemented by a device that can attend to the input of a
// layer as it stands, without the projections to keys and values. Where only
// the first token of each cell asks, that saves these products, the larger part
// of a last layer: they can be folded into the query and into what is done with
// the result,
//
//	q·(Wk·x + bk) = (Wkᵀ·q)·x + q·bk    and    Σ p·(Wv·x + bv) = Wv·(Σ p·x) + bv
//
// where q·bk is the same for every key, so that softmax does not see it, and the
// weights p add up to 1. Results differ in their last bits from those with
// projections: all devices of a class have it, or none, and a device that wraps
// another passes it on.
type InputAttender interface {
	// AttendInputs sets each row of dst (cells × heads·d), head by head, to
	// softmax(scale·query·xᵀ)·x, where x (tokens of the cell × d) are the rows
	// of src. queries is cells × heads·d: head h owns the columns h·d to
	// (h+1)·d-1 there and in dst.
	AttendInputs(ctx context.Context, dst, queries, src Tensor, cells Layout, scale float32) error
}

// CheckAttendInputs holds the rules of AttendInputs.
func CheckAttendInputs(dst, queries, src Tensor, cells Layout, scale float32) error {
	const op = "AttendInputs"
	switch {
	case dst == nil || queries == nil || src == nil || cells == nil:
		return shapeErrorf(op, "destination, sources and layout must be set")
	case dst == queries || dst == src:
		return shapeErrorf(op, "destination is also a source")
	case src.Rows() != cells.Tokens():
		return shapeErrorf(op, "source has %d rows, the layout %d tokens", src.Rows(), cells.Tokens())
	case queries.Rows() != cells.Cells():
		return shapeErrorf(op, "queries have %d rows, the layout %d cells", queries.Rows(), cells.Cells())
	case queries.Cols()%src.Cols() != 0:
		return shapeErrorf(op, "queries have %d columns, want a multiple of %d", queries.Cols(), src.Cols())
	case !(scale > 0):
		return shapeErrorf(op, "scale = %g, want a number > 0", scale)
	}
	return checkSame(op, dst, queries)
}
