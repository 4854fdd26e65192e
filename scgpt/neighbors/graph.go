package neighbors

import "slices"

// Graph is an undirected graph of cells without weights: two cells are joined
// where either is among the neighbours of the other. No cell is joined to
// itself.
type Graph struct {
	// starts has an entry per cell and one more: the neighbours of cell i
	// are neighbors[starts[i]:starts[i+1]], ascending.
	starts    []int
	neighbors []int32
}

// NewGraph joins every cell with those that a search of the cells among
// themselves found for it. Of such a search with [Options.ExcludeSelf], k is
// the number of other cells: scanpy's n_neighbors, which counts the cell itself,
// is one more.
func NewGraph(result *Result) (*Graph, error) {
	n := 0
	if result != nil {
		n = result.Queries()
	}
	if err := result.check(n, "the matrix that was searched"); err != nil {
		return nil, err
	}
	starts := make([]int, n+1)
	for p, to := range result.Indices {
		if from := p / result.K; int(to) != from {
			starts[from+1]++
			starts[to+1]++
		}
	}
	for i := range n {
		starts[i+1] += starts[i]
	}
	ends := slices.Clone(starts[:n])
	joined := make([]int32, starts[n])
	for p, to := range result.Indices {
		if from := p / result.K; int(to) != from {
			joined[ends[from]], joined[ends[to]] = to, int32(from)
			ends[from]++
			ends[to]++
		}
	}
	// Where two cells found each other, both edges are in: keep one, and
	// close the gaps.
	kept := 0
	for i := range n {
		row := joined[starts[i]:ends[i]]
		slices.Sort(row)
		row = slices.Compact(row)
		starts[i] = kept
		kept += copy(joined[kept:], row)
	}
	starts[n] = kept
	return &Graph{starts: starts, neighbors: slices.Clip(joined[:kept])}, nil
}

// Len returns the number of cells.
func (g *Graph) Len() int { return max(len(g.starts)-1, 0) }

// Edges returns the number of joined pairs.
func (g *Graph) Edges() int { return len(g.neighbors) / 2 }

// Neighbors returns the cells that cell i is joined to, ascending. It is a part
// of the graph and must not be modified.
func (g *Graph) Neighbors(i int) []int32 {
	from, to := g.starts[i], g.starts[i+1]
	return g.neighbors[from:to:to]
}
