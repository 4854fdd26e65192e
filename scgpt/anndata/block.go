package anndata

// A Block is a run of rows of a matrix in CSR form. Row From+i has the columns
// Indices[Indptr[i]:Indptr[i+1]], ascending, and the values at the same
// places. Values that are zero are left out, so equal rows give equal blocks
// whatever the encoding in the file.
type Block struct {
	From, To int
	Indptr   []int64 // To-From+1 entries, the first one 0
	Indices  []int32
	Values   []float32
}

// NRows returns the number of rows.
func (b *Block) NRows() int { return b.To - b.From }

// Row returns the columns and values of the i-th row of the block.
func (b *Block) Row(i int) ([]int32, []float32) {
	lo, hi := b.Indptr[i], b.Indptr[i+1]
	return b.Indices[lo:hi:hi], b.Values[lo:hi:hi]
}
