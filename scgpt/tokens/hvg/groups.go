package hvg

import (
	"fmt"
	"maps"
	"slices"
)

// groups are the cells' batches, numbered in the order of their names.
type groups struct {
	names  []string // nil for one batch without a name
	number []int32  // of each cell
	cells  []int    // of each batch
}

// maxSums bounds the product of genes and batches, for each of which a few
// numbers are kept.
const maxSums = 1 << 27

func newGroups(batches []string, genes int) (*groups, error) {
	if batches == nil {
		return &groups{cells: make([]int, 1)}, nil
	}
	number := map[string]int32{}
	for i, name := range batches {
		if name == "" {
			return nil, dataErrorf("cell %d has no batch", i)
		}
		number[name] = 0
	}
	g := &groups{names: slices.Sorted(maps.Keys(number)), number: make([]int32, len(batches))}
	for i, name := range g.names {
		number[name] = int32(i)
	}
	g.cells = make([]int, len(g.names))
	for i, name := range batches {
		g.number[i] = number[name]
		g.cells[number[name]]++
	}
	if genes > maxSums/max(1, g.len()) {
		return nil, dataErrorf("there are %d batches and %d genes; at most %d of both, multiplied, are possible", g.len(), genes, maxSums)
	}
	return g, g.checkSizes()
}

// checkSizes requires cells enough for a variance.
func (g *groups) checkSizes() error {
	for i, n := range g.cells {
		if n < 2 {
			return dataErrorf("%s: number of cells is %d, want at least 2", g.name(i), n)
		}
	}
	return nil
}

func (g *groups) len() int { return len(g.cells) }

// of returns the batch of a cell.
func (g *groups) of(cell int) (int, error) {
	if g.names == nil {
		return 0, nil
	}
	if cell >= len(g.number) {
		return 0, dataErrorf("there are more than the %d cells whose batch is given", len(g.number))
	}
	return int(g.number[cell]), nil
}

// complete ends a pass that read a number of cells.
func (g *groups) complete(cells int) error {
	switch {
	case g.names != nil && cells != len(g.number):
		return dataErrorf("there are %d cells, but the batch is given of %d", cells, len(g.number))
	case g.names == nil && g.cells[0] != 0 && g.cells[0] != cells:
		return fmt.Errorf("there were %d cells at first and %d the second time", g.cells[0], cells)
	case g.names == nil:
		g.cells[0] = cells
	}
	return g.checkSizes()
}

// name describes a batch in messages.
func (g *groups) name(i int) string {
	if g.names == nil {
		return "the data set"
	}
	return fmt.Sprintf("batch %q", g.names[i])
}
