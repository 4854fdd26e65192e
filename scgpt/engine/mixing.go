package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/seed-ab6af24b/troupe/internal/quote"
	"github.com/seed-ab6af24b/troupe/scgpt/evaluate"
	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/projection"
)

// baselineComponents is how many principal components an embedding is compared
// with: scanpy's default.
const baselineComponents = 50

// Principal returns the cells as the first 50 principal components, or as many as
// there are, of the log-normalised values of the genes that the tokens are made of:
// what an integration has to be better than. Counts are log-normalised, other
// values taken as they are; see [Cells.Warnings]. It reads the file twice, and once
// more where genes were not chosen before.
func (c *Cells) Principal(ctx context.Context, threads int) (neighbors.Matrix, error) {
	var none neighbors.Matrix
	g := &chosenGenes{file: c.file, place: make([]int32, len(c.used.IDs))}
	for column, id := range c.used.IDs {
		g.place[column] = -1
		if id >= 0 {
			g.place[column] = int32(g.genes)
			g.genes++
		}
	}
	if g.genes > projection.MaxColumns {
		return none, &Error{c.file.Path(), fmt.Sprintf("%d genes for principal components: want at most %d", g.genes, projection.MaxColumns)}
	}
	var err error
	if g.expression, err = c.logNormalized(ctx); err != nil {
		return none, err
	}
	k := min(baselineComponents, g.genes, c.Len())
	components, err := projection.PCA(ctx, g.source(ctx), g.genes, k, projection.Options{Threads: threads})
	if err != nil {
		return none, g.placed(err)
	}
	return components.Transform(ctx, g.source(ctx))
}

// MaxMeasured is how many cells [Measure] looks at: its time grows with their
// square.
const MaxMeasured = 5000

// minMeasured is how many cells it takes for neighbours of neighbours.
const minMeasured = 3

// Mixing says how well an embedding mixes batches, and keeps cell types apart.
type Mixing struct {
	// Cells counts those that Batch was measured on.
	Cells int
	// Batch is measured within the types where that can be, else over all
	// cells as if they were of one type; nil where neither can be.
	Batch *evaluate.BATCH
	// Types is measured on the cells with a type, and nil where it cannot be.
	Types *evaluate.BIO
	// Warnings say what could not be measured, and why, in sentences.
	Warnings []string
}

// Measure measures an embedding of cells. types is nil, or has the type of each
// cell, "" where it is not known. Of more than [MaxMeasured] cells as many are
// taken, spread evenly, and some of every batch. What the cells do not allow is
// left out and told in the warnings; errors are those of the embedding, or of ctx.
func Measure(ctx context.Context, x neighbors.Matrix, batches, types []string, threads int) (Mixing, error) {
	var m Mixing
	options := evaluate.Options{Threads: threads}
	all := make([]int, x.Rows)
	for i := range all {
		all[i] = i
	}
	if types != nil {
		typed := slices.DeleteFunc(slices.Clone(all), func(i int) bool { return types[i] == "" })
		if err := m.withinTypes(ctx, newSubset(x, typed, batches, types), options); err != nil {
			return m, err
		}
		if m.Types != nil && len(typed) < x.Rows {
			m.warnf("how well types keep apart is measured on the %d of %d cells that have a type", len(typed), x.Rows)
		}
		if m.Batch != nil {
			m.missed(batches, typed)
			return m, nil
		}
	}
	return m, m.overAll(ctx, newSubset(x, all, batches, slices.Repeat([]string{"cell"}, x.Rows)), options)
}

// withinTypes measures the cells that have a type. It leaves Batch out where it
// cannot be measured so.
func (m *Mixing) withinTypes(ctx context.Context, s subset, options evaluate.Options) error {
	if s.x.Rows < minMeasured {
		m.warnf("how well types keep apart cannot be measured: %d cells have a type, want at least %d", s.x.Rows, minMeasured)
		return nil
	}
	graph, err := s.graph(ctx, options.Threads)
	if err != nil {
		return err
	}
	var unfit *evaluate.Error
	bio, err := evaluate.AvgBIO(ctx, s.x, graph, s.types, evaluate.BIOOptions{Options: options})
	switch {
	case errors.As(err, &unfit):
		m.warnf("how well types keep apart cannot be measured: %s", unfit.Reason)
	case err != nil:
		return err
	default:
		m.Types = &bio
	}
	batch, err := evaluate.AvgBATCH(ctx, s.x, graph, s.types, s.batches, options)
	switch {
	case errors.As(err, &unfit):
		m.warnf("batches are measured over all cells, not within types: %s", unfit.Reason)
		return nil
	case err != nil:
		return err
	}
	m.Cells, m.Batch = s.x.Rows, &batch
	return nil
}

// overAll measures how batches mix in cells of one type.
func (m *Mixing) overAll(ctx context.Context, s subset, options evaluate.Options) error {
	if s.x.Rows < minMeasured {
		m.warnf("how batches mix cannot be measured: there are %d cells, want at least %d", s.x.Rows, minMeasured)
		return nil
	}
	graph, err := s.graph(ctx, options.Threads)
	if err != nil {
		return err
	}
	batch, err := evaluate.AvgBATCH(ctx, s.x, graph, s.types, s.batches, options)
	var unfit *evaluate.Error
	switch {
	case errors.As(err, &unfit):
		m.warnf("how batches mix cannot be measured: %s", unfit.Reason)
		return nil
	case err != nil:
		return err
	}
	m.Cells, m.Batch = s.x.Rows, &batch
	return nil
}

// missed warns of batches that no cell with a type stands for.
func (m *Mixing) missed(batches []string, typed []int) {
	there := map[string]bool{}
	for _, i := range typed {
		there[batches[i]] = true
	}
	names := slices.Compact(slices.Sorted(slices.Values(batches)))
	if names = slices.DeleteFunc(names, func(name string) bool { return there[name] }); len(names) > 0 {
		m.warnf("batches are measured within types, so without those whose cells have none: %s", quote.List(names))
	}
}

func (m *Mixing) warnf(format string, args ...any) {
	m.Warnings = append(m.Warnings, fmt.Sprintf(format, args...))
}

// graphNeighbors is the number of neighbours of a cell in the graph: scanpy's 15,
// of which the cell itself is one.
const graphNeighbors = 14

// subset are the cells that are measured.
type subset struct {
	x              neighbors.Matrix
	batches, types []string
}

func newSubset(x neighbors.Matrix, rows []int, batches, types []string) subset {
	rows = spread(rows, batches)
	s := subset{x: neighbors.Matrix{Rows: len(rows), Cols: x.Cols, Data: make([]float32, 0, len(rows)*x.Cols)}}
	for _, row := range rows {
		s.x.Data = append(s.x.Data, x.Row(row)...)
		s.batches, s.types = append(s.batches, batches[row]), append(s.types, types[row])
	}
	return s
}

func (s subset) graph(ctx context.Context, threads int) (*neighbors.Graph, error) {
	k := min(graphNeighbors, s.x.Rows-1)
	found, err := neighbors.Search(ctx, s.x, s.x, k, neighbors.Options{Threads: threads, ExcludeSelf: true})
	if err != nil {
		return nil, err
	}
	return neighbors.NewGraph(found)
}

// leastOfBatch is how many cells of a batch are measured at least, where it has
// them: of fewer the silhouette says nothing.
const leastOfBatch = 10

// spread takes [MaxMeasured] of the rows, evenly over the file where that gives
// each batch its least, else evenly over each batch. Of fewer it takes all.
func spread(rows []int, batches []string) []int {
	if len(rows) <= MaxMeasured {
		return rows
	}
	of := map[string][]int{}
	for _, row := range rows {
		of[batches[row]] = append(of[batches[row]], row)
	}
	least := min(leastOfBatch, MaxMeasured/len(of))
	even := evenly(rows, MaxMeasured)
	got := map[string]int{}
	for _, row := range even {
		got[batches[row]]++
	}
	left, rest, short := MaxMeasured, 0, false
	for name, all := range of {
		n := min(least, len(all))
		short = short || got[name] < n
		left -= n
		rest += len(all) - n
	}
	if !short {
		return even
	}
	var taken []int
	before := 0
	for _, name := range slices.Sorted(maps.Keys(of)) {
		n := min(least, len(of[name]))
		after := before + len(of[name]) - n
		// What is left is shared out by size, to the last cell.
		n += left*after/rest - left*before/rest
		before = after
		taken = append(taken, evenly(of[name], n)...)
	}
	slices.Sort(taken)
	return taken
}

// evenly takes n of the rows.
func evenly(rows []int, n int) []int {
	taken := make([]int, n)
	for i := range taken {
		taken[i] = rows[i*len(rows)/n]
	}
	return taken
}

// Matrix returns the normalised embeddings as a matrix.
func (e *Embeddings) Matrix() neighbors.Matrix {
	return neighbors.Matrix{Rows: e.To - e.From, Cols: e.Dim, Data: e.Normalized()}
}
