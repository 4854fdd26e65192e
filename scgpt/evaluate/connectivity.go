package evaluate

import "github.com/seed-ab6af24b/troupe/scgpt/neighbors"

// GraphConnectivity says how far the cells of each type hang together in the
// neighbour graph, above 0 and at most 1, where 1 is best: the share of a type's
// cells that are in the largest connected part of the graph of these cells
// alone, and the mean of it over the types. It is scib's graph_connectivity.
func GraphConnectivity(g *neighbors.Graph, types []string) (float64, error) {
	if err := checkGraph(g, len(types), "types", "labels"); err != nil {
		return 0, err
	}
	group, sizes, err := groups("types", types)
	if err != nil {
		return 0, err
	}
	parts := make([]int, len(group))
	for i := range parts {
		parts[i] = i
	}
	root := func(i int) int {
		for parts[i] != i {
			parts[i] = parts[parts[i]]
			i = parts[i]
		}
		return i
	}
	for i := range group {
		for _, j := range g.Neighbors(i) {
			if group[i] == group[j] {
				parts[root(i)] = root(int(j))
			}
		}
	}
	cells := make([]int, len(group))
	largest := make([]int, len(sizes))
	for i, t := range group {
		r := root(i)
		cells[r]++
		largest[t] = max(largest[t], cells[r])
	}
	sum := 0.0
	for t, size := range sizes {
		sum += float64(largest[t]) / float64(size)
	}
	return sum / float64(len(sizes)), nil
}

// checkGraph returns an error unless the graph has cells, as many as the argument
// name has of what its length counts.
func checkGraph(g *neighbors.Graph, length int, name, what string) error {
	switch {
	case g == nil || g.Len() == 0:
		return invalidf("graph", "it has no cells")
	case g.Len() != length:
		return invalidf(name, "%d %s, but the graph has %d cells", length, what, g.Len())
	}
	return nil
}
