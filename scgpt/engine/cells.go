package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/model"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// symbolColumns are the columns of var in which gene symbols are usually found
// where the index holds Ensembl ids: scanpy's, CELLxGENE's, 10x Genomics'.
var symbolColumns = []string{"gene_name", "gene_symbols", "feature_name", "gene_symbol", "symbol"}

// Cells are the cells of an open file, ready to be embedded by an engine.
type Cells struct {
	engine    *Engine
	file      *anndata.File
	matrix    *anndata.Matrix
	tokenizer *tokens.Tokenizer
	genes     tokens.Report
}

// Open opens an .h5ad file and matches its genes with the model's vocabulary.
// Close it after use. Errors: fs.ErrNotExist for a missing file; one of class
// InvalidDataError for one that cannot be read, has no such layer or column, or
// too few genes that the model knows.
func (e *Engine) Open(path string, opts Options) (_ *Cells, err error) {
	opts = opts.withDefaults()
	f, err := anndata.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	c := &Cells{engine: e, file: f}
	if c.matrix, err = expression(f, opts.Layer); err != nil {
		return nil, err
	}
	genes, err := e.matchGenes(f, opts)
	if err != nil {
		return nil, err
	}
	c.genes = genes.Report
	if c.tokenizer, err = tokens.New(genes, e.tokenOptions(opts)); err != nil {
		return nil, &Error{path, err.Error()}
	}
	return c, nil
}

func expression(f *anndata.File, layer string) (*anndata.Matrix, error) {
	if layer != "" {
		return f.Layer(layer)
	}
	return f.X()
}

// matchGenes takes gene names from the column that the options name, else from
// the index, with a column of symbols, if there is one, as the second choice.
func (e *Engine) matchGenes(f *anndata.File, opts Options) (*tokens.GeneMap, error) {
	v := f.Var()
	match := tokens.MatchOptions{MinShare: opts.MinGeneShare, PadToken: e.ck.Args().PadToken}
	var names []string
	if opts.GeneColumn != "" {
		if !v.Has(opts.GeneColumn) {
			return nil, &Error{f.Path(), fmt.Sprintf("var has no column %q; it has %q", opts.GeneColumn, v.Columns())}
		}
		col, err := v.Column(opts.GeneColumn)
		if err != nil {
			return nil, err
		}
		names = col.Strings()
	} else {
		var err error
		if names, err = v.Index(); err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(symbolColumns, v.Has); i >= 0 {
			col, err := v.Column(symbolColumns[i])
			if err != nil {
				return nil, err
			}
			match.Symbols = col.Strings()
		}
	}
	genes, err := tokens.Match(names, e.ck.Vocab(), match)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path(), err)
	}
	return genes, nil
}

func (e *Engine) tokenOptions(opts Options) tokens.Options {
	args := e.ck.Args()
	cls := e.ck.Vocab().CLS()
	o := tokens.FineTune(cls)
	if opts.Task == Embed {
		o = tokens.ZeroShot(cls, args.PadValue)
	}
	o.NBins = args.NBins
	o.MaxLength = opts.MaxLength
	o.Cap = tokens.Cap(opts.Cap)
	o.Ties = tokens.Ties(opts.Ties)
	o.Seed = opts.Seed
	return o
}

// Close closes the file.
func (c *Cells) Close() error { return c.file.Close() }

// Len returns the number of cells.
func (c *Cells) Len() int { return c.file.NObs() }

// GeneMatch says how the file's genes met the vocabulary.
func (c *Cells) GeneMatch() tokens.Report { return c.genes }

// sampleCells is how many cells MeanTokens reads.
const sampleCells = 64

// MeanTokens estimates the tokens of a cell from cells spread over the file,
// each counted with the genes that the model knows.
func (c *Cells) MeanTokens(ctx context.Context) (float64, error) {
	n := c.Len()
	if n == 0 {
		return 0, nil
	}
	t := c.tokenizer.Clone()
	limit := float64(t.Options().MaxLength)
	sum, read := 0.0, 0
	for i := range min(n, sampleCells) {
		row := i * n / min(n, sampleCells)
		block, err := c.matrix.Rows(ctx, row, row+1)
		if err != nil {
			return 0, err
		}
		var p tokens.Packed
		info, err := t.Append(&p, row, block.Indices, block.Values)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", c.file.Path(), err)
		}
		sum += min(float64(info.Genes+1), limit)
		read++
	}
	return sum / float64(read), nil
}

// blockCells is how many rows are read at a time.
const blockCells = 256

// batch is a piece of work for the device: cells first to first+packed.Cells()-1.
type batch struct {
	first  int
	packed tokens.Packed
	// truncated counts cells, empty lists them by their number in the file.
	truncated int
	empty     []int
}

// Embed runs the model over the cells from to to-1. While the device works on
// one batch, the next one is read and tokenised; no more is held. progress, if
// not nil, is called with the number of cells done, from the calling goroutine.
//
// It stops soon after ctx ends and then returns the context's cause.
func (c *Cells) Embed(ctx context.Context, from, to int, progress func(done int)) (*Embeddings, error) {
	if from < 0 || to > c.Len() || from > to {
		return nil, &Error{c.file.Path(), fmt.Sprintf("cells %d to %d are asked for, but there are %d", from, to, c.Len())}
	}
	m := c.engine.model
	out := &Embeddings{From: from, To: to, Dim: m.EmbSize(), Classes: m.Classes()}
	out.Vectors = make([]float32, 0, (to-from)*out.Dim)
	out.Logits = make([]float32, 0, (to-from)*out.Classes)

	ctx, cancel := context.WithCancelCause(ctx)
	batches := make(chan batch, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(batches)
		if err := c.read(ctx, from, to, batches); err != nil {
			cancel(err)
		}
	}()
	// The reader must be gone before the file may be closed.
	defer func() { cancel(nil); <-ended }()

	for b := range batches {
		res, err := m.Forward(ctx, b.packed, model.Options{})
		if err != nil {
			return nil, err
		}
		out.Vectors = append(out.Vectors, res.CellEmbeddings...)
		out.Logits = append(out.Logits, res.Logits...)
		out.Tokens += int64(b.packed.Tokens())
		out.Truncated += b.truncated
		out.Empty = append(out.Empty, b.empty...)
		if progress != nil {
			progress(b.first + b.packed.Cells() - from)
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return out, nil
}

// read tokenises the cells from to to-1 into batches of what the device likes
// best, and sends them.
func (c *Cells) read(ctx context.Context, from, to int, batches chan<- batch) error {
	t := c.tokenizer.Clone()
	limit := c.engine.model.BatchTokens()
	b := batch{first: from}
	send := func() error {
		select {
		case batches <- b:
			b = batch{first: b.first + b.packed.Cells()}
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for start := from; start < to; start += blockCells {
		block, err := c.matrix.Rows(ctx, start, min(start+blockCells, to))
		if err != nil {
			return err
		}
		for i := range block.To - block.From {
			row := block.From + i
			lo, hi := block.Indptr[i], block.Indptr[i+1]
			info, err := t.Append(&b.packed, row, block.Indices[lo:hi], block.Values[lo:hi])
			if err != nil {
				return fmt.Errorf("%s: %w", c.file.Path(), err)
			}
			if info.Truncated {
				b.truncated++
			}
			if info.Empty {
				b.empty = append(b.empty, row)
			}
			if b.packed.Tokens() >= limit {
				if err := send(); err != nil {
					return err
				}
			}
		}
	}
	if b.packed.Cells() > 0 {
		return send()
	}
	return nil
}
