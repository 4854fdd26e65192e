package compute

// Tensor is a matrix of float32 on a device. A tensor with 0 rows is valid.
type Tensor interface {
	Rows() int
	Cols() int
	// Free gives the tensor's memory back for the next one. A second Free
	// does nothing.
	Free()
}

// Matrix holds the weights of a linear layer, laid out for its device.
type Matrix interface {
	// Out is the number of outputs, In the number of inputs.
	Out() int
	In() int
	// Free gives the memory back. A second Free does nothing.
	Free()
}

// Layout says which rows of a tensor belong to which cell.
type Layout interface {
	Cells() int
	Tokens() int
	// Free gives the memory back. A second Free does nothing.
	Free()
}

// Norm holds the parameters of a layer normalisation: (x-mean)/√(var+Eps)
// over each row, with the biased variance, times Gamma plus Beta (both 1 × d).
type Norm struct {
	Gamma, Beta Tensor
	Eps         float32
}

// Embedding says what [Device.Embed] gathers. With neither Values nor Scale,
// row t of the destination is Table[IDs[t]].
type Embedding struct {
	// Table has one row per id.
	Table Tensor
	// IDs has one entry per token of the destination.
	IDs []int32
	// Values, if set, is a second table: Values[Rows[t]] is added.
	Values Tensor
	// Rows has one entry per token when Values is set.
	Rows []int32
	// Scale, if set, has one factor per token; it excludes Values.
	Scale []float32
}
