package compute

import "context"

// Device runs the operations of a model on whole tensors of packed tokens.
//
// Shapes are checked: a wrong shape, an index out of range, or a tensor that
// was freed or belongs to another device is a [*ShapeError] and leaves the
// destination as it was. An operation stops soon (within about 100 ms) after its
// context ends and returns the context's cause; its destination then holds
// garbage. A destination must not also be a source, except where an operation
// allows it.
//
// Methods may be called from several goroutines: operations run one at a
// time, each with all the device's threads, and a caller whose turn has not
// come gives up when its context ends. Two goroutines must not write the same
// tensor, and none may free what an operation uses. Slices that an operation
// is given (ids, weights) are the caller's again when it returns. Close waits
// for an operation in progress; everything called after it returns an error,
// but for Free and Close, which do nothing.
type Device interface {
	// Class names everything that the bits of a result depend on: the kind
	// of device, its instruction set and the precision, as in
	// "cpu/avx512/fp32" or "cuda/sm90/bf16".
	Class() string

	// BatchTokens is the number of tokens per call with which the device
	// works best. More is correct, but no faster and costs memory; far less
	// may leave parts of the device idle.
	BatchTokens() int

	// Upload copies a row-major matrix to the device as a tensor. A bias or
	// another vector is a tensor of one row.
	Upload(rows, cols int, data []float32) (Tensor, error)

	// UploadMatrix copies the weights of a linear layer to the device and
	// lays them out for [Device.Linear]. data is row-major, one row per
	// output (out × in), as in a PyTorch checkpoint.
	UploadMatrix(out, in int, data []float32) (Matrix, error)

	// NewTensor returns a tensor with undefined content.
	NewTensor(rows, cols int) (Tensor, error)

	// NewLayout checks and uploads the offsets of a batch: cell i owns the
	// rows offsets[i] to offsets[i+1] (exclusive). offsets begins with 0 and
	// increases strictly; it has one entry more than there are cells. The
	// slice is copied.
	NewLayout(offsets []int32) (Layout, error)

	// Embed gathers rows of a table, one per token; see [Embedding].
	Embed(ctx context.Context, dst Tensor, e Embedding) error

	// Linear sets dst = act(src·wᵀ + bias): src is n × w.In(), dst
	// n × w.Out(), bias 1 × w.Out() or nil.
	Linear(ctx context.Context, dst, src Tensor, w Matrix, bias Tensor, act Activation) error

	// Attention sets each row of dst (n × d) to the multi-head
	// self-attention of its token over all tokens of its cell:
	// softmax(q·kᵀ/√(d/heads))·v for each head. qkv is n × 3d: the columns
	// of q, then k, then v; head h owns columns h·d/heads to
	// (h+1)·d/heads-1 of each.
	Attention(ctx context.Context, dst, qkv Tensor, cells Layout, heads int) error

	// AttentionFirst is Attention for the first token of each cell alone:
	// q is cells × d, kv n × 2d (k, then v) and dst cells × d. Its rows have
	// the bytes of the rows that Attention gives for those tokens.
	AttentionFirst(ctx context.Context, dst, q, kv Tensor, cells Layout, heads int) error

	// AttentionScores sets dst to the bare products q·k, neither scaled nor
	// normalised, among the rows from to to-1 of qkv (n × 3d). With m = to-from, dst is (heads·m) × m: row h·m+i holds
	// the products of query i with every key in head h.
	AttentionScores(ctx context.Context, dst, qkv Tensor, from, to, heads int) error

	// AddLayerNorm sets dst = LayerNorm(a + b), row by row, or
	// LayerNorm(a) when b is nil. dst may be a or b.
	AddLayerNorm(ctx context.Context, dst, a, b Tensor, n Norm) error

	// Normalize sets dst = (src - mean)·scale + shift, column by column:
	// batch normalisation with running statistics. mean, scale and shift are
	// 1 × d; dst may be src.
	Normalize(ctx context.Context, dst, src, mean, scale, shift Tensor) error

	// Pool sets row c of dst (cells × d) to the sum over the tokens t of
	// cell c of weights[t]·src[t].
	Pool(ctx context.Context, dst, src Tensor, cells Layout, weights []float32) error

	// Dot sets dst[t] (n × 1) to the inner product of a[t] (n × d) and
	// b[c] (cells × d), where c is the cell of token t.
	Dot(ctx context.Context, dst, a, b Tensor, cells Layout) error

	// Read copies a tensor to dst, row-major, and waits for the operations
	// that fill it. len(dst) is exactly the tensor's size.
	Read(ctx context.Context, dst []float32, src Tensor) error

	// Close releases the device and everything on it. A second Close does
	// nothing.
	Close() error
}
