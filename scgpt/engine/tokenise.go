package engine

import (
	"context"
	"iter"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// batch is a piece of work for the device: cells of one domain.
type batch struct {
	domain int
	packed tokens.Packed
	// cells has the number in the file of each cell in packed.
	cells []int
	// truncated counts cells, empty lists them by their number in the file.
	truncated int
	empty     []int
}

// add appends the i-th cell of p.
func (b *batch) add(cell int, p *tokens.Packed, i int, info tokens.CellInfo) {
	b.packed.AddCell(p, i)
	b.cells = append(b.cells, cell)
	if info.Truncated {
		b.truncated++
	}
	if info.Empty {
		b.empty = append(b.empty, cell)
	}
}

const (
	// blockCells is how many rows are read at a time.
	blockCells = 256
	// chunkCells is how many of them one goroutine tokenises at a time.
	chunkCells = 16
	// maxTokenisers is more than a GPU keeps busy.
	maxTokenisers = 8
	// firstBatches is how many batches are smaller than the device likes, the
	// first one by 2 to that power: the sooner begins a device that would else
	// wait for cells.
	firstBatches = 3
)

// read tokenises the cells from to to-1 into batches of what the device likes
// best, each of one domain, and sends them. A device that computes on its own leaves
// the processors to it; another is only as fast as they are.
func (c *Cells) read(ctx context.Context, from, to int, batches chan<- batch) error {
	best, small, workers := c.engine.model.BatchTokens(), 0, 1
	if c.engine.model.InFlight() > 1 {
		small, workers = firstBatches, min(maxTokenisers, runtime.GOMAXPROCS(0))
	}
	t := newTokenisers(c.tokenizer, workers)
	making := map[int]*batch{} // by domain
	send := func(b *batch) error {
		select {
		case batches <- *b:
			small = max(0, small-1)
			n := b.packed.Tokens()
			*b = batch{domain: b.domain, packed: tokens.Packed{IDs: make([]int32, 0, n), Values: make([]float32, 0, n)}}
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for block, err := range c.matrix.Blocks(ctx, from, to, blockCells) {
		if err != nil {
			return err
		}
		for cell, err := range t.cells(block) {
			if err != nil {
				return c.cellError(err)
			}
			domain := c.batches.domain(cell.number)
			b := making[domain]
			if b == nil {
				b = &batch{domain: domain}
				making[domain] = b
			}
			// A batch that is a little too large would be cut into a large
			// and a small piece.
			if len(b.cells) > 0 && b.packed.Tokens()+cell.info.Tokens > best>>small {
				if err := send(b); err != nil {
					return err
				}
			}
			b.add(cell.number, cell.packed, cell.at, cell.info)
		}
	}
	for _, domain := range slices.Sorted(maps.Keys(making)) {
		if b := making[domain]; len(b.cells) > 0 {
			if err := send(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// tokenisers tokenise rows side by side.
type tokenisers []tokeniser

// tokeniser holds what became of a run of rows.
type tokeniser struct {
	*tokens.Tokenizer
	packed tokens.Packed
	infos  []tokens.CellInfo
	err    error
}

func newTokenisers(t *tokens.Tokenizer, n int) tokenisers {
	ts := make(tokenisers, n)
	for i := range ts {
		ts[i].Tokenizer = t.Clone()
	}
	return ts
}

// tokenised is one cell: the at-th of packed, which is valid until the next one.
type tokenised struct {
	number int // in the file
	packed *tokens.Packed
	at     int
	info   tokens.CellInfo
}

// cells yields the cells of a block in their order. An error ends them.
func (ts tokenisers) cells(block *anndata.Block) iter.Seq2[tokenised, error] {
	return func(yield func(tokenised, error) bool) {
		for at := 0; at < block.NRows(); at += len(ts) * chunkCells {
			ts.run(block, at)
			number := block.From + at
			for i := range ts {
				t := &ts[i]
				for k, info := range t.infos {
					if !yield(tokenised{number, &t.packed, k, info}, nil) {
						return
					}
					number++
				}
				if t.err != nil {
					yield(tokenised{}, t.err)
					return
				}
			}
		}
	}
}

// run tokenises the rows from at on, as many as all of them take.
func (ts tokenisers) run(block *anndata.Block, at int) {
	var wg sync.WaitGroup
	for i := 1; i < len(ts); i++ {
		wg.Go(func() { ts[i].run(block, at+i*chunkCells) })
	}
	ts[0].run(block, at)
	wg.Wait()
}

// run tokenises chunkCells rows, until an error.
func (t *tokeniser) run(block *anndata.Block, at int) {
	t.packed.Reset()
	t.infos, t.err = t.infos[:0], nil
	for i := at; i < min(at+chunkCells, block.NRows()); i++ {
		columns, values := block.Row(i)
		info, err := t.Append(&t.packed, block.From+i, columns, values)
		if err != nil {
			t.err = err
			return
		}
		t.infos = append(t.infos, info)
	}
}
