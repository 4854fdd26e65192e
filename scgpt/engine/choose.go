package engine

import (
	"context"
	"fmt"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

// DefaultChosenGenes is how many genes [Cells.ChooseGenes] chooses where it is
// not told.
const DefaultChosenGenes = 1200

// minGeneSum is the smallest sum over all cells of a gene that can be chosen,
// that of upstream's integration (filter_gene_by_counts).
const minGeneSum = 3

// ChooseOptions say how genes are chosen.
type ChooseOptions struct {
	// N is how many genes to choose; 0 means [DefaultChosenGenes]. Where the
	// file has no more than that, all are taken.
	N int
	// Flavor is how; empty means [hvg.SeuratV3] for counts and
	// [hvg.CellRanger] for log-normalised values: those that are not all whole
	// numbers, and at most 30. What is greater and not whole is taken for
	// counts, with a warning.
	Flavor hvg.Flavor
}

// GeneChoice are the genes that an integration works with.
type GeneChoice struct {
	// Genes are tokens of the vocabulary, in the order of the file: what
	// [Options.Genes] takes.
	Genes Names
	// Candidates counts the genes that there were to choose from: known to
	// the model, and of a sum of at least 3.
	Candidates int
	// Flavor is how they were chosen, empty where all were taken.
	Flavor hvg.Flavor
	// Warnings say what makes the choice less sure, in sentences.
	Warnings []string
}

// ChooseGenes chooses the most variable genes among those that the model knows,
// within each of the batches of [Options.BatchKey] if it is given: the first
// half of an integration. It reads the file two or three times.
func (c *Cells) ChooseGenes(ctx context.Context, opts ChooseOptions) (*GeneChoice, error) {
	if opts.N < 0 {
		return nil, &Error{c.file.Path(), fmt.Sprintf("%d genes are to be chosen: want 1 or more", opts.N)}
	}
	if opts.N == 0 {
		opts.N = DefaultChosenGenes
	}
	columns, seen, err := c.candidates(ctx)
	if err != nil {
		return nil, err
	}
	choice := &GeneChoice{Candidates: len(columns), Warnings: seen.warnings(c.matrix.Path())}
	if len(columns) == 0 {
		return nil, &Error{c.file.Path(), fmt.Sprintf("no gene that the model knows has a sum of %d or more over the %d cells", minGeneSum, c.Len())}
	}
	if len(columns) <= opts.N {
		choice.Genes = c.tokensOf(columns)
		if len(columns) < opts.N {
			choice.Warnings = append(choice.Warnings, fmt.Sprintf("%d genes were to be chosen, but there are only %d: all are taken", opts.N, len(columns)))
		}
		return choice, nil
	}
	if choice.Flavor = opts.Flavor; choice.Flavor == "" {
		choice.Flavor = hvg.CellRanger
		if seen.counts() {
			choice.Flavor = hvg.SeuratV3
		}
	}
	o := hvg.Options{Flavor: choice.Flavor, N: opts.N, AllowFractions: seen.corrected()}
	if c.batches != nil && len(c.batches.Names) > 1 {
		o.Batches = c.batches.Of()
	}
	r, err := hvg.Select(ctx, len(columns), c.only(ctx, columns), o)
	if err != nil {
		return nil, placed(c.file, c.rawHint(), fmt.Errorf("choose genes: %w", err), func(k int) int { return int(columns[k]) })
	}
	chosen := make([]int32, len(r.Columns))
	for i, k := range r.Columns {
		chosen[i] = columns[k]
	}
	choice.Genes, choice.Warnings = c.tokensOf(chosen), append(choice.Warnings, r.Warnings...)
	return choice, nil
}

// candidates returns the columns that genes are chosen from, and what the values
// in those of known genes look like.
func (c *Cells) candidates(ctx context.Context) (columns []int32, seen *amounts, err error) {
	sums := make([]float64, len(c.known.IDs))
	seen = &amounts{}
	err = c.blocks(ctx, func(b *anndata.Block) error {
		for k, column := range b.Indices {
			if c.known.IDs[column] < 0 {
				continue
			}
			sums[column] += float64(b.Values[k])
			seen.see(b.Values[k])
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	c.amounts.Store(seen)
	for column, id := range c.known.IDs {
		if id >= 0 && sums[column] >= minGeneSum {
			columns = append(columns, int32(column))
		}
	}
	return columns, seen, nil
}

// only returns the cells with the values of some columns alone, as a matrix of
// these.
func (c *Cells) only(ctx context.Context, columns []int32) hvg.Source {
	place := make([]int32, len(c.known.IDs))
	for i := range place {
		place[i] = -1
	}
	for i, column := range columns {
		place[column] = int32(i)
	}
	return func(yield func(hvg.Block) error) error {
		return c.blocks(ctx, func(b *anndata.Block) error {
			out := hvg.Block{Indptr: make([]int64, 1, len(b.Indptr))}
			for i := range b.NRows() {
				indices, values := b.Row(i)
				for k, column := range indices {
					if p := place[column]; p >= 0 {
						out.Indices = append(out.Indices, p)
						out.Values = append(out.Values, values[k])
					}
				}
				out.Indptr = append(out.Indptr, int64(len(out.Values)))
			}
			return yield(out)
		})
	}
}

// blocks reads all cells. use must not keep a block.
func (c *Cells) blocks(ctx context.Context, use func(*anndata.Block) error) error {
	for b, err := range c.matrix.Blocks(ctx, 0, c.Len(), blockCells) {
		if err != nil {
			return err
		}
		if err := use(b); err != nil {
			return err
		}
	}
	return nil
}

// tokensOf returns what the vocabulary calls the genes of columns.
func (c *Cells) tokensOf(columns []int32) Names {
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = c.engine.ck.Vocab().Token(c.known.IDs[column])
	}
	return NameList(names)
}
