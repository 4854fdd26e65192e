package evaluate

import (
	"fmt"
	"math"
)

// Label is what cells are grouped by: the name of a type or batch, or the number
// of a cluster.
type Label interface {
	~string | ~int | ~int32 | ~int64
}

// contingency counts the cells of each pair of labels. Groups are numbered by
// their first cell, and pairs are in the order of theirs, so that sums over them
// are the same in every run.
type contingency struct {
	cells         int
	rows, columns []int
	pairs         []pair
}

// pair is the number of cells in a row and column of the table, never 0.
type pair struct{ row, column, cells int }

func newContingency[A, B Label](truth []A, clusters []B) (*contingency, error) {
	if len(truth) != len(clusters) {
		return nil, invalidf("clusters", "%d labels, but truth has %d: both need one per cell", len(clusters), len(truth))
	}
	rows, rowSizes, err := groups("truth", truth)
	if err != nil {
		return nil, err
	}
	columns, columnSizes, err := groups("clusters", clusters)
	if err != nil {
		return nil, err
	}
	t := &contingency{cells: len(truth), rows: rowSizes, columns: columnSizes}
	index := map[[2]int]int{}
	for i, row := range rows {
		key := [2]int{row, columns[i]}
		at, ok := index[key]
		if !ok {
			at = len(t.pairs)
			index[key] = at
			t.pairs = append(t.pairs, pair{row: row, column: columns[i]})
		}
		t.pairs[at].cells++
	}
	return t, nil
}

// groups numbers labels from 0 in the order of their first cells, and counts the
// cells of each. name stands for labels in errors.
func groups[L Label](name string, labels []L) (group, sizes []int, err error) {
	if len(labels) == 0 {
		return nil, nil, invalidf(name, "there are no cells")
	}
	numbers := map[L]int{}
	group = make([]int, len(labels))
	for i, label := range labels {
		number, ok := numbers[label]
		if !ok {
			if fmt.Sprint(label) == "" {
				return nil, nil, invalidf(fmt.Sprintf("%s[%d]", name, i), "empty label: leave out the cells without one")
			}
			number = len(sizes)
			numbers[label] = number
			sizes = append(sizes, 0)
		}
		group[i] = number
		sizes[number]++
	}
	return group, sizes, nil
}

// entropy is that of a division into groups, in nats.
func entropy(sizes []int, cells int) float64 {
	sum := 0.0
	for _, size := range sizes {
		p := float64(size) / float64(cells)
		sum -= p * math.Log(p)
	}
	return sum
}
