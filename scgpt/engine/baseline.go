package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/projection"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

// BaselineOptions tune [NewBaseline]. The zero value is what scanpy's users do.
type BaselineOptions struct {
	// LabelColumn of obs holds the types of the reference; empty means
	// TruthColumn where the reference has it, else celltype or cell_type.
	LabelColumn string
	// TruthColumn is the column of obs with the true types of the cells.
	TruthColumn string
	// Layer is read instead of X, in a file that has it.
	Layer string
	// GeneColumn is the column of var with the symbols of the genes, as in
	// [Options], in a file that has it.
	GeneColumn string
	// Components is the number of principal components, 0 means 50; there
	// are never more than cells or genes allow.
	Components int
	// Neighbors is how many cells vote, 0 means 10; never more than there
	// are.
	Neighbors int
	// Genes is the most genes to use: the highly variable ones of the
	// reference. 0 means 2000.
	Genes int
	// Threads is the most goroutines to work at once; 0 is GOMAXPROCS.
	Threads int
}

// Baseline is the simple way to label cells, which a model has to beat to be
// worth its time: by the nearest of the labelled cells of a reference, in the
// principal components of their expression.
type Baseline struct {
	// Labels of the cells; the confidence is the share of the neighbours
	// that agree.
	Labels *Labels
	// Reference is the path of the file with the labelled cells, and
	// ReferenceCells is their number.
	Reference      string
	ReferenceCells int
	// Genes, Components and Neighbors are how many there were to use.
	Genes, Components, Neighbors int
	// Warnings say what makes the labels less sure, in sentences.
	Warnings []string
}

// NewBaseline labels the cells of a file by those of a reference. Both hold
// counts, which are log-normalised, or log-normalised values; which of both they
// are is seen from the values of the genes that both have. It needs no model.
//
// Genes are matched by their names in the index of var. Where that finds fewer than
// half of those of the smaller file, they are matched by what finds most: the index,
// Ensembl ids in it without their versions, or the column of symbols of either file.
//
// Memory is that of the components of all cells, and 8 bytes for each pair of
// genes.
func NewBaseline(ctx context.Context, reference, cells string, opts BaselineOptions) (b *Baseline, err error) {
	p, err := openPair(reference, cells, opts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	ref, types := p.ref, p.types
	r, q, genes, err := p.shared(ctx, opts.Layer)
	if err != nil {
		return nil, err
	}
	if err := choose(ctx, r, q, genes, cmp.Or(opts.Genes, 2000)); err != nil {
		return nil, r.placed(err)
	}
	b = &Baseline{Reference: reference, Genes: r.genes, Warnings: q.expression.warnings}
	for _, w := range r.expression.warnings {
		b.Warnings = append(b.Warnings, "in the baseline's reference, "+w)
	}
	b.Components = min(cmp.Or(opts.Components, 50), r.genes, ref.NObs())
	components, err := projection.PCA(ctx, r.source(ctx), r.genes, b.Components, projection.Options{Threads: opts.Threads})
	if err != nil {
		return nil, r.placed(err)
	}
	from, err := components.Transform(ctx, r.source(ctx))
	if err != nil {
		return nil, err
	}
	to, err := components.Transform(ctx, q.source(ctx))
	if err != nil {
		return nil, q.placed(err)
	}
	from, types = labelled(from, types)
	b.ReferenceCells = from.Rows
	b.Neighbors = min(cmp.Or(opts.Neighbors, 10), from.Rows)
	found, err := neighbors.Search(ctx, to, from, b.Neighbors, neighbors.Options{Threads: opts.Threads})
	if err != nil {
		return nil, err
	}
	votes, err := neighbors.Transfer(found, types, neighbors.TransferOptions{})
	if err != nil {
		return nil, err
	}
	b.Labels = &Labels{}
	for _, v := range votes {
		b.Labels.Types = append(b.Labels.Types, v.Label)
		b.Labels.Confidence = append(b.Labels.Confidence, float32(v.Confidence))
	}
	return b, nil
}

// CheckBaseline returns the error that [NewBaseline] would return before it reads any
// values: fs.ErrNotExist for a missing file; one of class InvalidDataError for one
// that cannot be read, a reference without types, or files without a gene in common.
func CheckBaseline(reference, cells string, opts BaselineOptions) error {
	p, err := openPair(reference, cells, opts)
	if err != nil {
		return err
	}
	_, err1 := valuesOf(p.ref, opts.Layer)
	_, err2 := valuesOf(p.query, opts.Layer)
	return errors.Join(err1, err2, p.close())
}

// pair are the two files of a baseline.
type pair struct {
	ref, query *anndata.File
	// types are those of the reference's cells.
	types []string
	// refNames and queryNames are the names that genes are matched by.
	refNames, queryNames []string
}

func openPair(reference, cells string, opts BaselineOptions) (_ *pair, err error) {
	p := &pair{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.ref, err = anndata.Open(reference); err != nil {
		return nil, err
	}
	if p.query, err = anndata.Open(cells); err != nil {
		return nil, err
	}
	if p.types, err = typesOf(p.ref, opts.LabelColumn, opts.TruthColumn); err != nil {
		return nil, err
	}
	return p, p.matchNames(opts.GeneColumn)
}

func (p *pair) close() error {
	var errs []error
	for _, f := range []*anndata.File{p.query, p.ref} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// matchNames finds the names by which the genes of the files are matched.
func (p *pair) matchNames(column string) error {
	ref, err := geneNames(p.ref, column)
	if err != nil {
		return err
	}
	query, err := geneNames(p.query, column)
	if err != nil {
		return err
	}
	most := 0
	for i, r := range ref {
		for j, q := range query {
			n := common(r, q)
			if n > most {
				most, p.refNames, p.queryNames = n, r, q
			}
			if i+j == 0 && n > 0 && 2*n >= min(len(r), len(q)) {
				return nil
			}
		}
	}
	if most == 0 {
		return &Error{p.query.Path(), fmt.Sprintf("no gene has the name of one in %s, neither in the index of var nor in a column of symbols (%s): "+
			"name the column that both have in gene_column, or take cells of the same species", p.ref.Path(), quote.List(symbolColumns))}
	}
	return nil
}

// geneNames returns the names that the genes of a file have: those of the index, the
// same without versions of Ensembl ids if there are any, and those of a column of
// symbols: the one asked for, else a usual one.
func geneNames(f *anndata.File, column string) ([][]string, error) {
	v := f.Var()
	index, err := v.Index()
	if err != nil {
		return nil, err
	}
	names := [][]string{index}
	bare := slices.Clone(index)
	for i, name := range bare {
		if id, ok := tokens.EnsemblID(name); ok {
			bare[i] = id
		}
	}
	if !slices.Equal(bare, index) {
		names = append(names, bare)
	}
	if i := slices.IndexFunc(symbolColumns, v.Has); !v.Has(column) && i >= 0 {
		column = symbolColumns[i]
	}
	if v.Has(column) {
		c, err := v.Column(column)
		if err != nil {
			return nil, err
		}
		names = append(names, c.Strings())
	}
	return names, nil
}

// common counts the names that two lists have in common; "" is none.
func common(a, b []string) int {
	there := map[string]bool{}
	for _, n := range b {
		there[n] = n != ""
	}
	count := 0
	for _, n := range a {
		if there[n] {
			count++
			there[n] = false
		}
	}
	return count
}

// typesOf returns the types of a reference's cells, "" where there is none. Without a
// column it takes the first one, or a usual one.
func typesOf(f *anndata.File, column, first string) ([]string, error) {
	obs := f.Obs()
	if column == "" {
		usual := slices.DeleteFunc(slices.Clone(truthColumns), func(c string) bool { return c == first })
		if first != "" {
			usual = slices.Insert(usual, 0, first)
		}
		i := slices.IndexFunc(usual, obs.Has)
		if i < 0 {
			return nil, &Error{f.Path(), fmt.Sprintf("obs has none of the columns %s for the types of a reference; it has %s", quote.List(usual), quote.List(obs.Columns()))}
		}
		column = usual[i]
	}
	if !obs.Has(column) {
		return nil, &Error{f.Path(), fmt.Sprintf("obs has no column %q; it has %s", column, quote.List(obs.Columns()))}
	}
	col, err := obs.Column(column)
	if err != nil {
		return nil, err
	}
	types := col.Strings()
	if !slices.ContainsFunc(types, func(s string) bool { return s != "" }) {
		return nil, &Error{f.Path(), fmt.Sprintf("no cell has a type in obs[%q]", column)}
	}
	return types, nil
}

// labelled leaves out the rows without a type.
func labelled(m neighbors.Matrix, types []string) (neighbors.Matrix, []string) {
	kept := neighbors.Matrix{Cols: m.Cols}
	var names []string
	for i, t := range types {
		if t != "" {
			kept.Data = append(kept.Data, m.Row(i)...)
			kept.Rows++
			names = append(names, t)
		}
	}
	return kept, names
}

// chosenGenes reads the values of some genes.
type chosenGenes struct {
	file       *anndata.File
	expression *logNormalized
	// place has the number of each column among the genes, -1 where it is
	// none of them.
	place []int32
	genes int
}

// shared returns readers of the genes that the files have in common, in the order of
// the reference, and their names there.
func (p *pair) shared(ctx context.Context, layer string) (of, in *chosenGenes, names []string, err error) {
	there := map[string]bool{}
	for _, n := range p.queryNames {
		there[n] = n != ""
	}
	numbers := map[string]int32{}
	for _, n := range p.refNames {
		if _, twice := numbers[n]; there[n] && !twice {
			numbers[n] = int32(len(names))
			names = append(names, n)
		}
	}
	if of, err = newChosenGenes(ctx, p.ref, layer, p.refNames, numbers); err != nil {
		return nil, nil, nil, err
	}
	in, err = newChosenGenes(ctx, p.query, layer, p.queryNames, numbers)
	return of, in, names, err
}

// valuesOf opens the layer of a file that has it, else X.
func valuesOf(f *anndata.File, layer string) (*anndata.Matrix, error) {
	if !slices.Contains(f.Layers(), layer) {
		layer = ""
	}
	return expression(f, layer)
}

// newChosenGenes reads the genes that have a number; of several columns of one
// name the first.
func newChosenGenes(ctx context.Context, f *anndata.File, layer string, names []string, numbers map[string]int32) (*chosenGenes, error) {
	m, err := valuesOf(f, layer)
	if err != nil {
		return nil, err
	}
	c := &chosenGenes{file: f, place: make([]int32, len(names)), genes: len(numbers)}
	seen := make([]bool, len(numbers))
	for j, name := range names {
		number, ok := numbers[name]
		if !ok || seen[number] {
			c.place[j] = -1
			continue
		}
		c.place[j], seen[number] = number, true
	}
	c.expression, err = newLogNormalized(ctx, m, func(column int32) bool { return c.place[column] >= 0 })
	return c, err
}

// placed is the package's placed for an error about the genes.
func (c *chosenGenes) placed(err error) error {
	return placed(c.file, "", err, func(gene int) int { return slices.Index(c.place, int32(gene)) })
}

// choose keeps the n genes that vary most from cell to cell in the reference,
// where there are more.
func choose(ctx context.Context, r, q *chosenGenes, names []string, n int) error {
	if len(names) <= n {
		return nil
	}
	cells := func(yield func(hvg.Block) error) error {
		return r.each(ctx, func(columns []int32, values []float32) error {
			return yield(hvg.Block{Indptr: []int64{0, int64(len(values))}, Indices: columns, Values: values})
		})
	}
	chosen, err := hvg.Select(ctx, len(names), cells, hvg.Options{Flavor: hvg.CellRanger, N: n})
	if err != nil {
		return err
	}
	numbers := make([]int32, len(names))
	for i := range numbers {
		numbers[i] = -1
	}
	for i, column := range chosen.Columns {
		numbers[column] = int32(i)
	}
	for _, c := range []*chosenGenes{r, q} {
		for j, place := range c.place {
			if place >= 0 {
				c.place[j] = numbers[place]
			}
		}
		c.genes = n
	}
	return nil
}

// each calls f with the genes and values of every cell, genes ascending.
func (c *chosenGenes) each(ctx context.Context, f func(genes []int32, values []float32) error) error {
	var entries []geneValue
	var genes []int32
	return c.expression.each(ctx, func(_ int, columns []int32, values []float32) error {
		entries = entries[:0]
		for k, column := range columns {
			if g := c.place[column]; g >= 0 {
				entries = append(entries, geneValue{g, values[k]})
			}
		}
		slices.SortFunc(entries, func(a, b geneValue) int { return cmp.Compare(a.gene, b.gene) })
		genes, values = genes[:0], values[:0]
		for _, e := range entries {
			genes, values = append(genes, e.gene), append(values, e.value)
		}
		return f(genes, values)
	})
}

type geneValue struct {
	gene  int32
	value float32
}

// source gives the cells to projection.
func (c *chosenGenes) source(ctx context.Context) projection.Source {
	return func(yield func(projection.Block) error) error {
		b := projection.Block{Indptr: []int64{0}}
		send := func() error {
			part := b
			b = projection.Block{Indptr: []int64{0}}
			return yield(part)
		}
		err := c.each(ctx, func(genes []int32, values []float32) error {
			b.Indices, b.Values = append(b.Indices, genes...), append(b.Values, values...)
			b.Indptr = append(b.Indptr, int64(len(b.Values)))
			if len(b.Indptr) > blockCells {
				return send()
			}
			return nil
		})
		if err != nil {
			return err
		}
		return send()
	}
}
