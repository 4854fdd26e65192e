package anndata

import (
	"cmp"
	"context"
	"iter"
)

// aheadEntries is about how many values [Matrix.Blocks] reads at a time: enough
// chunks of a compressed file to keep all processors busy.
const aheadEntries = 1 << 18

// Blocks reads the rows from from to before to in blocks of n rows, the last one
// of fewer and none of more than [Matrix.Rows] reads, ahead of their use: while one
// is in use, others are read and decoded.
// A block is valid until the next one; until then it may be changed. That takes
// the memory of half a million values (4 MiB), or of two blocks where these have
// more. An error ends the sequence, and is yielded with a nil block; the errors are
// those of [Matrix.Rows]. Sequences may run at the same time, each on one goroutine.
func (m *Matrix) Blocks(ctx context.Context, from, to, n int) iter.Seq2[*Block, error] {
	return func(yield func(*Block, error) bool) {
		if err := m.checkRange(from, to); err != nil || n < 1 {
			yield(nil, cmp.Or(err, m.file.errorf("%s: blocks of %d rows asked for", m.path, n)))
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		r := &aheadReader{matrix: m, to: to, n: min(n, maxBlockRows), reads: make(chan aheadRead), free: make(chan *Block, 2)}
		r.free <- new(Block)
		r.free <- new(Block)
		go r.run(ctx, from)
		defer func() {
			cancel()
			for range r.reads { // until the reader is gone
			}
		}()
		var part Block
		next := from
		for read := range r.reads {
			if read.err == nil {
				read.err = m.settle(read.block, read.as)
			}
			if read.err != nil {
				yield(nil, read.err)
				return
			}
			for ; next < read.block.To; next = part.To {
				read.block.part(&part, next, min(next+r.n, read.block.To))
				if !yield(&part, nil) {
					return
				}
			}
			r.free <- read.block
		}
		if next < to {
			yield(nil, context.Cause(ctx))
		}
	}
}

// aheadReader reads for one call of [Matrix.Blocks].
type aheadReader struct {
	matrix *Matrix
	to, n  int
	reads  chan aheadRead // closed at the end
	free   chan *Block    // those to read into
}

type aheadRead struct {
	block *Block
	as    stored
	err   error
}

// run reads from a row on, until an error or the end of ctx.
func (r *aheadReader) run(ctx context.Context, row int) {
	defer close(r.reads)
	for row < r.to {
		var b *Block
		select {
		case b = <-r.free:
		case <-ctx.Done():
			return
		}
		end, err := r.matrix.ahead(ctx, row, r.to, r.n)
		var as stored
		if err == nil {
			as, err = r.matrix.load(ctx, b, row, end)
		}
		if ctx.Err() != nil {
			return
		}
		select {
		case r.reads <- aheadRead{b, as, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		row = end
	}
}

// ahead returns the row before which to stop reading from a row on: the end of a
// block.
func (m *Matrix) ahead(ctx context.Context, from, to, n int) (int, error) {
	if m.encoding != "csr" {
		return min(from+n, to), nil
	}
	to = min(to, from+n*blocksAhead(n, m.data.Rows(), m.rows))
	if err := m.indptr.CheckStored(from, to+1); err != nil {
		return 0, err
	}
	pointers := make([]int64, to-from+1)
	if err := m.indptr.ReadInt64s(ctx, pointers, from, to+1); err != nil {
		return 0, err
	}
	end := min(from+n, to)
	for end < to {
		next := min(end+n, to)
		if pointers[next-from]-pointers[0] > aheadEntries {
			break
		}
		end = next
	}
	return end, nil
}

// blocksAhead is how many blocks of n rows to look at for one read: as many as have
// aheadEntries values on average. The file says how many values and rows it has, and
// may say anything.
func blocksAhead(n, values, rows int) int {
	return min(64, max(1, aheadEntries/n/max(1, values/max(1, rows))))
}

// part makes p the rows from from to before to of a block.
func (b *Block) part(p *Block, from, to int) {
	pointers := b.Indptr[from-b.From : to-b.From+1]
	lo, hi := pointers[0], pointers[len(pointers)-1]
	p.From, p.To = from, to
	p.Indptr = append(p.Indptr[:0], pointers...)
	for i := range p.Indptr {
		p.Indptr[i] -= lo
	}
	p.Indices, p.Values = b.Indices[lo:hi:hi], b.Values[lo:hi:hi]
}

// resize gives the block room for its entries, whose contents are anything.
func (b *Block) resize(rows, entries int) {
	b.Indptr = resized(b.Indptr, rows+1)
	b.Indices, b.Values = resized(b.Indices, entries), resized(b.Values, entries)
}

// resized returns n elements, in the memory of s if it has as many.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
