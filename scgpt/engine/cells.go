package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
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
	// known are all genes that the model knows, used those of the tokenizer.
	known   *tokens.GeneMap
	used    *tokens.GeneMap
	batches *Batches // nil without a column of them
	// amounts are those of the known genes, once they were read.
	amounts atomic.Pointer[amounts]
	// unchosen is why the cells cannot be embedded yet.
	unchosen error
}

// Open opens an .h5ad file and matches its genes with the model's vocabulary.
// Close it after use. Errors: fs.ErrNotExist for a missing file; one of class
// InvalidDataError for one that cannot be read, has no such layer or column, or
// too few genes that the model knows.
func (e *Engine) Open(path string, opts Options) (_ *Cells, err error) {
	opts = opts.WithDefaults()
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
	if c.known, err = e.matchGenes(f, opts); err != nil {
		return nil, err
	}
	if opts.BatchKey != "" {
		named := opts.Batches.List()
		if len(named) == 0 {
			named = e.ck.Batches()
		}
		if c.batches, err = readBatches(f, opts.BatchKey, named, e.model.Domains()); err != nil {
			return nil, err
		}
	}
	if err := c.use(opts); err != nil {
		return nil, err
	}
	return c, nil
}

// OpenIntegration is [Engine.Open] for the task Integrate, after which the cells
// can be embedded: where the options do not give the genes, it chooses them. The
// choice is nil where they do. There must be something to integrate: see
// [Cells.CheckBatches].
func (e *Engine) OpenIntegration(ctx context.Context, path string, opts Options, choose ChooseOptions) (_ *Cells, _ *GeneChoice, err error) {
	opts.Task = Integrate
	c, err := e.Open(path, opts)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := c.CheckBatches(); err != nil {
		return nil, nil, err
	}
	if opts.Genes != "" {
		return c, nil, nil
	}
	choice, err := c.ChooseGenes(ctx, choose)
	if err != nil {
		return nil, nil, err
	}
	opts.Genes = choice.Genes
	if err := c.use(opts.WithDefaults()); err != nil {
		return nil, nil, err
	}
	return c, choice, nil
}

// use makes the tokenizer, with the genes that the options name.
func (c *Cells) use(opts Options) (err error) {
	genes := c.known
	if opts.Genes != "" {
		if genes, err = c.engine.chosenGenes(c.file, genes, opts); err != nil {
			return err
		}
	}
	if opts.Task == Integrate {
		if err := c.checkIntegration(opts); err != nil {
			return err
		}
		if opts.MaxLength == 0 {
			opts.MaxLength = max(2, opts.Genes.Len()+1)
		}
	}
	if c.tokenizer, err = tokens.New(genes, c.engine.tokenOptions(opts)); err != nil {
		return &Error{c.file.Path(), err.Error()}
	}
	c.used = genes
	return nil
}

// checkIntegration makes sure that there are batches, and notes whether genes
// have still to be chosen.
func (c *Cells) checkIntegration(opts Options) error {
	if opts.BatchKey == "" {
		return &Error{c.file.Path(), "no column of batches is named: integration needs one"}
	}
	c.unchosen = nil
	if opts.Genes == "" {
		c.unchosen = &Error{c.file.Path(), "the genes to integrate by are not chosen yet"}
	}
	return nil
}

// chosenGenes reduces the matched genes to those that the options name.
func (e *Engine) chosenGenes(f *anndata.File, genes *tokens.GeneMap, opts Options) (*tokens.GeneMap, error) {
	var ids []int32
	for _, name := range opts.Genes.List() {
		id, ok := e.ck.Vocab().ID(name)
		if !ok {
			return nil, &Error{e.dir, fmt.Sprintf("the gene %q, which cells are to be reduced to, is not in the vocabulary", name)}
		}
		ids = append(ids, id)
	}
	only, found := genes.Only(ids)
	if share := float64(found) / float64(len(ids)); share < opts.MinGeneShare {
		return nil, &Error{f.Path(), fmt.Sprintf("has %d of the %d genes that cells are to be reduced to (%.1f %%), less than %.1f %%", found, len(ids), 100*share, 100*opts.MinGeneShare)}
	}
	return only, nil
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
			return nil, &Error{f.Path(), fmt.Sprintf("var has no column %q; it has %s", opts.GeneColumn, quote.List(v.Columns()))}
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
	if len(names) == 0 {
		return nil, &Error{f.Path(), "has no genes"}
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
	switch opts.Task {
	case Embed:
		o = tokens.ZeroShot(cls, args.PadValue)
	case Integrate:
		o.IncludeZeroGenes = true
	}
	o.NBins = args.NBins
	o.MaxLength = opts.MaxLength
	o.Cap = tokens.Cap(opts.Cap)
	o.Ties = tokens.Ties(opts.Ties)
	o.Seed = opts.Seed
	return o
}

// cellError puts the file's name before an error about the values of a cell.
func (c *Cells) cellError(err error) error {
	return fmt.Errorf("%s: %w%s", c.file.Path(), err, c.rawHint())
}

// rawHint goes on with an error about values: those of raw may be right where those
// of X are scaled, say.
func (c *Cells) rawHint() string {
	if c.matrix.Path() != "X" {
		return ""
	}
	return c.file.RawHint()
}

// Close closes the file.
func (c *Cells) Close() error { return c.file.Close() }

// Len returns the number of cells.
func (c *Cells) Len() int { return c.file.NObs() }

// GeneMatch says how the file's genes met the vocabulary.
func (c *Cells) GeneMatch() tokens.Report { return c.known.Report }

// Batches returns the batches of the cells, nil where [Options.BatchKey] names
// no column. The caller must not change them.
func (c *Cells) Batches() *Batches { return c.batches }

// CheckBatches returns an [*Error] unless the cells are of two batches or more.
func (c *Cells) CheckBatches() error {
	if b := c.batches; b != nil && len(b.Names) < 2 {
		return &Error{c.file.Path(), fmt.Sprintf("obs[%q] has one batch, %q: there is nothing to integrate", b.Key, b.Names)}
	}
	return nil
}

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
			return 0, c.cellError(err)
		}
		sum += min(float64(info.Genes+1), limit)
		read++
	}
	return sum / float64(read), nil
}
