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

// keep renumbers columns and drops those that are placed at -1.
func (b *Block) keep(place []int32) {
	kept, start := 0, 0
	for i := range b.NRows() {
		end := int(b.Indptr[i+1])
		for k := start; k < end; k++ {
			if c := place[b.Indices[k]]; c >= 0 {
				b.Indices[kept], b.Values[kept] = c, b.Values[k]
				kept++
			}
		}
		start = end
		b.Indptr[i+1] = int64(kept)
	}
	b.Indices, b.Values = b.Indices[:kept], b.Values[:kept]
}
