package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
// values taken as they are. It reads the file twice.
func (c *Cells) Principal(ctx context.Context, threads int) (neighbors.Matrix, error) {
	var none neighbors.Matrix
	g := &chosenGenes{place: make([]int32, len(c.used.IDs))}
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
	if g.expression, err = newLogNormalized(ctx, c.matrix); err != nil {
		return none, err
	}
	k := min(baselineComponents, g.genes, c.Len())
	components, err := projection.PCA(ctx, g.source(ctx), g.genes, k, projection.Options{Threads: threads})
	if err != nil {
		return none, fmt.Errorf("%s: %w", c.file.Path(), err)
	}
	return components.Transform(ctx, g.source(ctx))
}

// MaxMeasured is how many cells [Measure] looks at: its time grows with their
// square.
const MaxMeasured = 5000

// Mixing says how well an embedding mixes batches, and keeps cell types apart.
type Mixing struct {
	// Cells counts those that were measured.
	Cells int
	// Batch is measured within the types where there are any, else over all
	// cells as if they were of one type.
	Batch evaluate.BATCH
	// Types is nil without types.
	Types *evaluate.BIO
	// Warnings say what could not be measured, in sentences.
	Warnings []string
}

// Measure measures an embedding of cells. types is nil, or has the type of each
// cell, "" where it is not known: such cells are left out. Of more than
// [MaxMeasured] cells as many are taken, spread evenly.
func Measure(ctx context.Context, x neighbors.Matrix, batches, types []string, threads int) (Mixing, error) {
	part := measured(x, batches, types)
	m := Mixing{Cells: part.x.Rows}
	if part.x.Rows < 3 {
		return m, &Error{"integration", fmt.Sprintf("%d cells can be measured, want at least 3", part.x.Rows)}
	}
	k := min(graphNeighbors, part.x.Rows-1)
	found, err := neighbors.Search(ctx, part.x, part.x, k, neighbors.Options{Threads: threads, ExcludeSelf: true})
	if err != nil {
		return m, err
	}
	graph, err := neighbors.NewGraph(found)
	if err != nil {
		return m, err
	}
	options := evaluate.Options{Threads: threads}
	if part.types != nil {
		bio, err := evaluate.AvgBIO(ctx, part.x, graph, part.types, evaluate.BIOOptions{Options: options})
		var few *evaluate.Error
		switch {
		case errors.As(err, &few):
			m.Warnings = append(m.Warnings, fmt.Sprintf("how well types keep apart cannot be measured: %v", err))
		case err != nil:
			return m, err
		default:
			m.Types = &bio
		}
		m.Batch, err = evaluate.AvgBATCH(ctx, part.x, graph, part.types, part.batches, options)
		if !errors.As(err, &few) {
			return m, err
		}
		m.Warnings = append(m.Warnings, fmt.Sprintf("batches are measured over all cells instead of within types: %v", err))
	}
	m.Batch, err = evaluate.AvgBATCH(ctx, part.x, graph, slices.Repeat([]string{"cell"}, part.x.Rows), part.batches, options)
	return m, err
}

// graphNeighbors is the number of neighbours of a cell in the graph: scanpy's 15,
// of which the cell itself is one.
const graphNeighbors = 14

// subset are the cells that are measured.
type subset struct {
	x              neighbors.Matrix
	batches, types []string
}

func measured(x neighbors.Matrix, batches, types []string) subset {
	var rows []int
	for i := range x.Rows {
		if types == nil || types[i] != "" {
			rows = append(rows, i)
		}
	}
	n := min(len(rows), MaxMeasured)
	s := subset{x: neighbors.Matrix{Rows: n, Cols: x.Cols, Data: make([]float32, 0, n*x.Cols)}}
	for i := range n {
		row := rows[i*len(rows)/n]
		s.x.Data = append(s.x.Data, x.Row(row)...)
		s.batches = append(s.batches, batches[row])
		if types != nil {
			s.types = append(s.types, types[row])
		}
	}
	return s
}

// Matrix returns the normalised embeddings as a matrix.
func (e *Embeddings) Matrix() neighbors.Matrix {
	return neighbors.Matrix{Rows: e.To - e.From, Cols: e.Dim, Data: e.Normalized()}
}
