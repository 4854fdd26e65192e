package tokens

// Packed is a batch of cells as one run of tokens: no padding, cells one
// after another, each beginning with its <cls> token.
//
// Cell i owns the tokens Offsets[i] to Offsets[i+1]. The order of a cell's
// tokens carries no meaning (the model has no positional encoding), but equal
// input gives the same order and so the same bytes.
type Packed struct {
	// IDs holds vocabulary ids, Offsets[len(Offsets)-1] of them.
	IDs []int32
	// Values holds what the value encoder reads: bins 1 to NBins-1 for
	// genes (0 for a gene kept although absent), the <cls> value at the
	// first token of a cell. Same length as IDs.
	Values []float32
	// Offsets has one entry more than there are cells; Offsets[0] is 0.
	Offsets []int32
}

// Cells returns the number of cells in the batch.
func (p Packed) Cells() int { return max(0, len(p.Offsets)-1) }

// Tokens returns the number of tokens in the batch, <cls> included.
func (p Packed) Tokens() int { return len(p.IDs) }

// AddCell appends the i-th cell of another batch.
func (p *Packed) AddCell(q *Packed, i int) {
	if len(p.Offsets) == 0 {
		p.Offsets = append(p.Offsets, 0)
	}
	from, to := q.Offsets[i], q.Offsets[i+1]
	p.IDs = append(p.IDs, q.IDs[from:to]...)
	p.Values = append(p.Values, q.Values[from:to]...)
	p.Offsets = append(p.Offsets, int32(len(p.IDs)))
}

// Reset removes the cells and keeps their memory for others.
func (p *Packed) Reset() { p.IDs, p.Values, p.Offsets = p.IDs[:0], p.Values[:0], p.Offsets[:0] }
