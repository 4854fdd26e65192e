package engine

import (
	"errors"
	"fmt"
	"slices"
)

// MaxShardCells is the largest number of cells that one call of [Cells.Embed]
// takes, which bounds its memory: 512 MB of embeddings at 512 values each.
const MaxShardCells = 1 << 18

// Embeddings are the vectors of a run of cells.
type Embeddings struct {
	// From and To are the run: cells From to To-1 of the file.
	From, To int
	// Dim is the length of a vector, Classes that of a row of logits: 0 for
	// a model without a classifier head.
	Dim, Classes int
	// Vectors holds one row per cell, as the model gives it: the input of
	// its heads. [Embeddings.Normalized] has unit length.
	Vectors []float32
	// Logits holds one row per cell.
	Logits []float32
	// Tokens counts the tokens of all cells.
	Tokens int64
	// Truncated counts the cells that the cap shortened.
	Truncated int
	// Empty lists the cells, counted in the file, in which no gene of the
	// vocabulary is expressed: they consist of <cls> alone.
	Empty []int
}

// Join puts runs that follow one another into one. They must be of one model.
func Join(runs []*Embeddings) (*Embeddings, error) {
	if len(runs) == 0 {
		return nil, errors.New("no embeddings to join")
	}
	first := runs[0]
	all := &Embeddings{From: first.From, To: first.From, Dim: first.Dim, Classes: first.Classes}
	for _, r := range runs {
		if r.From != all.To || r.Dim != all.Dim || r.Classes != all.Classes {
			return nil, fmt.Errorf("embeddings of the cells %d to %d (%d values, %d classes) do not follow those up to %d (%d values, %d classes)",
				r.From, r.To, r.Dim, r.Classes, all.To, all.Dim, all.Classes)
		}
		all.To = r.To
		all.Vectors = append(all.Vectors, r.Vectors...)
		all.Logits = append(all.Logits, r.Logits...)
		all.Tokens += r.Tokens
		all.Truncated += r.Truncated
		all.Empty = append(all.Empty, r.Empty...)
	}
	return all, nil
}

// Normalized returns the vectors divided by their lengths: what goes into
// obsm["X_scGPT"].
func (e *Embeddings) Normalized() []float32 {
	out := slices.Clone(e.Vectors)
	for row := range slices.Chunk(out, max(e.Dim, 1)) {
		normalize(row)
	}
	return out
}
