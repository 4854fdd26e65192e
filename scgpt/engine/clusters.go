package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/scgpt/anndata"
	"github.com/seed-ab6af24b/troupe/scgpt/markers"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// Names of what naming clusters adds to a file.
const (
	// ClusterKey in obs is the cluster of a cell without a label.
	ClusterKey = "troupe_cluster"
	// ClusterNameKey in obs is the name of that cluster, ClusterConfidenceKey
	// how sure it is. Both are missing where there is no name.
	ClusterNameKey       = "troupe_cluster_name"
	ClusterConfidenceKey = "troupe_cluster_conf"
)

// ClusterOptions tune [ClusterUnassigned]. The zero value is right for most.
type ClusterOptions struct {
	// Layer and GeneColumn are as in [Options].
	Layer, GeneColumn string
	// Resolution is as in neighbors.ClusterOptions.
	Resolution float64
	// MinCells is the size of the smallest cluster that counts; 0 means 10.
	MinCells int
	// Markers is how many genes each cluster gets; 0 means 30.
	Markers int
	// Threads as in neighbors.Options.
	Threads int
}

func (o ClusterOptions) withDefaults() ClusterOptions {
	if o.MinCells == 0 {
		o.MinCells = 10
	}
	if o.Markers == 0 {
		o.Markers = 30
	}
	return o
}

// maxClusters bounds the number of clusters, the largest of which count.
const maxClusters = 100

// Clustering are clusters of the cells without a label.
type Clustering struct {
	// Of has the number of each cell's cluster, -1 where it has a label, its
	// cluster is too small, or the model knows none of its genes.
	Of []int
	// Cells counts the cells of each cluster, Genes has the symbols of the
	// genes that mark it, best first.
	Cells []int
	Genes [][]string
	// Unassigned counts the cells without a label.
	Unassigned int
	// Warnings say why there is no cluster, or what makes the genes less sure, in
	// sentences.
	Warnings []string
}

// ClusterUnassigned finds clusters among the cells that an annotated file leaves
// without a label, in its embeddings (Louvain, 15 nearest neighbours), and the
// genes that set each apart from all other cells (Welch's t). Those that the file
// lists as empty are left out: their embeddings are all alike and say nothing. It
// needs no model.
func ClusterUnassigned(ctx context.Context, path string, opts ClusterOptions) (_ *Clustering, err error) {
	opts = opts.withDefaults()
	f, err := anndata.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if !f.Obs().Has(LabelsKey) {
		return nil, &Error{path, fmt.Sprintf("obs has no column %q: want a file that annotate wrote", LabelsKey)}
	}
	column, err := f.Obs().Column(LabelsKey)
	if err != nil {
		return nil, err
	}
	empty, err := emptyCells(ctx, f)
	if err != nil {
		return nil, err
	}
	c := &Clustering{Of: slices.Repeat([]int{markers.None}, f.NObs())}
	var cells []int
	for i, label := range column.Strings() {
		if label != Unassigned {
			continue
		}
		c.Unassigned++
		if !empty[i] {
			cells = append(cells, i)
		}
	}
	if least := max(opts.MinCells, minMeasured); len(cells) < least {
		c.none(least, len(cells))
		return c, nil
	}
	of, err := clustersOf(ctx, f, cells, opts)
	if err != nil {
		return nil, err
	}
	// They are numbered by size.
	for _, k := range of {
		for len(c.Cells) <= k {
			c.Cells = append(c.Cells, 0)
		}
		c.Cells[k]++
	}
	small := func(n int) bool { return n < opts.MinCells }
	if i := slices.IndexFunc(c.Cells, small); i >= 0 {
		c.Cells = c.Cells[:i]
	}
	if len(c.Cells) == 0 {
		c.none(opts.MinCells, len(cells))
		return c, nil
	}
	c.Cells = c.Cells[:min(len(c.Cells), maxClusters)]
	for i, cell := range cells {
		if of[i] < len(c.Cells) {
			c.Of[cell] = of[i]
		}
	}
	if c.Genes, c.Warnings, err = markerGenes(ctx, f, c.Of, opts); err != nil {
		return nil, err
	}
	return c, nil
}

// none says why there is no cluster of least cells, where that is not plain: known
// are the cells without a label in which the model knows a gene.
func (c *Clustering) none(least, known int) {
	if c.Unassigned == 0 {
		return
	}
	warning := fmt.Sprintf("no cluster of at least %d cells among %d cells without a label", least, c.Unassigned)
	if empty := c.Unassigned - known; empty > 0 {
		warning += fmt.Sprintf(", %d of them without a gene that the model knows", empty)
	}
	c.Warnings = append(c.Warnings, warning)
}

// emptyCells returns the rows that an annotated file lists as cells without a gene
// that the model knows.
func emptyCells(ctx context.Context, f *anndata.File) (map[int]bool, error) {
	if !slices.Contains(f.Uns(), ProvenanceKey) {
		return nil, nil
	}
	value, err := f.UnsValue(ctx, ProvenanceKey)
	if err != nil {
		return nil, err
	}
	empty := map[int]bool{}
	if written, ok := value.(map[string]any); ok {
		rows, _ := written[EmptyCellsKey].([]int64)
		for _, i := range rows {
			empty[int(i)] = true
		}
	}
	return empty, nil
}

func clustersOf(ctx context.Context, f *anndata.File, cells []int, opts ClusterOptions) ([]int, error) {
	array, err := f.ObsmArray(ctx, EmbeddingKey)
	if err != nil {
		return nil, err
	}
	if len(array.Shape) != 2 {
		return nil, &Error{f.Path(), fmt.Sprintf("obsm[%q] has the shape %v, want cells × values", EmbeddingKey, array.Shape)}
	}
	d := array.Shape[1]
	x := neighbors.Matrix{Rows: len(cells), Cols: d, Data: make([]float32, 0, len(cells)*d)}
	for _, cell := range cells {
		x.Data = append(x.Data, array.Data[cell*d:(cell+1)*d]...)
	}
	found, err := neighbors.Search(ctx, x, x, min(graphNeighbors, len(cells)-1), neighbors.Options{Threads: opts.Threads, ExcludeSelf: true})
	if err != nil {
		return nil, err
	}
	graph, err := neighbors.NewGraph(found)
	if err != nil {
		return nil, err
	}
	return neighbors.Clusters(ctx, graph, neighbors.ClusterOptions{Resolution: opts.Resolution})
}

// markerGenes ranks the genes of each cluster. A gene without a symbol is left out.
func markerGenes(ctx context.Context, f *anndata.File, of []int, opts ClusterOptions) (_ [][]string, warnings []string, err error) {
	symbols, err := symbolsOf(f, opts.GeneColumn)
	if err != nil {
		return nil, nil, err
	}
	m, err := expression(f, opts.Layer)
	if err != nil {
		return nil, nil, err
	}
	x, err := newLogNormalized(ctx, m, nil)
	if err != nil {
		return nil, nil, err
	}
	ranked, err := markers.Rank(ctx, func(yield func(int, []int32, []float32) error) error { return x.each(ctx, yield) }, len(symbols), of, opts.Markers)
	if err != nil {
		return nil, nil, err
	}
	genes := make([][]string, len(ranked))
	for i, list := range ranked {
		for _, g := range list {
			if s := symbols[g.Index]; s != "" && !slices.Contains(genes[i], s) {
				genes[i] = append(genes[i], s)
			}
		}
	}
	return genes, x.warnings, nil
}

// symbolsOf returns the symbols of the genes: those of the column, else of one of
// the usual columns of symbols, else the index.
func symbolsOf(f *anndata.File, column string) ([]string, error) {
	v := f.Var()
	if column == "" {
		i := slices.IndexFunc(symbolColumns, v.Has)
		if i < 0 {
			return v.Index()
		}
		column = symbolColumns[i]
	}
	if !v.Has(column) {
		return nil, &Error{f.Path(), fmt.Sprintf("var has no column %q; it has %s", column, quote.List(v.Columns()))}
	}
	c, err := v.Column(column)
	if err != nil {
		return nil, err
	}
	return c.Strings(), nil
}

// ClusterName is the name of a cluster.
type ClusterName struct {
	ID, Name   string
	Confidence float64
}

// WriteClusterNames adds clusters and their names to an annotated file, which is
// replaced once all of it is written: obs["troupe_cluster"] and, where names are
// given, obs["troupe_cluster_name"] and obs["troupe_cluster_conf"], which are
// missing (NaN) in cells without a named cluster. of has the number of each cell's
// cluster, or -1, and clusters those that there are. A file that has them stays as
// it is: written twice, they give the bytes of once.
func WriteClusterNames(ctx context.Context, path string, of []int, clusters []ClusterName) error {
	draft := filepath.Join(filepath.Dir(path), ".troupe-clusters-"+filepath.Base(path))
	defer func() { _ = os.Remove(draft) }()
	// The file is closed before it is replaced: on Windows an open one cannot be.
	if err := copyWithClusters(ctx, path, draft, of, clusters); err != nil {
		return err
	}
	if same, err := sameClusters(path, draft); err != nil || same {
		return err
	}
	return os.Rename(draft, path)
}

// sameClusters reports whether two files have the same clusters and names.
func sameClusters(a, b string) (bool, error) {
	var columns [2][]any
	for i, path := range []string{a, b} {
		f, err := anndata.Open(path)
		if err != nil {
			return false, err
		}
		for _, name := range []string{ClusterKey, ClusterNameKey, ClusterConfidenceKey} {
			if !f.Obs().Has(name) {
				continue
			}
			c, err := f.Obs().Column(name)
			if err != nil {
				return false, errors.Join(err, f.Close())
			}
			// Texts, and what is missing: NaN equals nothing.
			columns[i] = append(columns[i], c.Kind, c.Ordered, c.Categories, c.Codes, c.Missing(), c.Strings())
		}
		if err := f.Close(); err != nil {
			return false, err
		}
	}
	return reflect.DeepEqual(columns[0], columns[1]), nil
}

func copyWithClusters(ctx context.Context, path, draft string, of []int, clusters []ClusterName) (err error) {
	f, err := anndata.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if len(of) != f.NObs() {
		return &Error{path, fmt.Sprintf("%d cells, but %d have a cluster: the file has changed", f.NObs(), len(of))}
	}
	ids := anndata.Categories{Codes: make([]int32, len(of))}
	names := anndata.Categories{Codes: make([]int32, len(of))}
	confidence := make([]float32, len(of))
	for _, c := range clusters {
		ids.Names = append(ids.Names, c.ID)
		if c.Name != "" {
			names.Names = append(names.Names, c.Name)
		}
	}
	slices.Sort(names.Names)
	names.Names = slices.Compact(names.Names)
	for i, k := range of {
		ids.Codes[i], names.Codes[i], confidence[i] = int32(k), -1, float32(math.NaN())
		if k >= 0 && k < len(clusters) && clusters[k].Name != "" {
			name, _ := slices.BinarySearch(names.Names, clusters[k].Name)
			names.Codes[i], confidence[i] = int32(name), float32(clusters[k].Confidence)
		}
	}
	return anndata.Copy(ctx, f, draft, anndata.Additions{Obs: []anndata.NewColumn{
		{Name: ClusterKey, Values: ids}, {Name: ClusterNameKey, Values: names}, {Name: ClusterConfidenceKey, Values: confidence},
	}})
}
