package neighbors

import (
	"cmp"
	"context"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// level is a weighted graph: at first that of the cells, then one whose nodes
// are the communities of the level below. Weights are numbers of edges, so that
// their sums are exact.
type level struct {
	starts  []int
	targets []int32
	weights []float64
	// degrees count a node's edges, those within it twice.
	degrees []float64
	// total is the sum of degrees, 2m.
	total float64
}

// louvain returns a community for every cell, numbered from 0 without gaps.
func louvain(ctx context.Context, g *Graph, resolution float64, seed uint64) ([]int, error) {
	l := newLevel(g)
	membership := make([]int, g.Len())
	for i := range membership {
		membership[i] = i
	}
	random := rand.NewPCG(seed, 0)
	for {
		community, count, err := l.move(ctx, resolution, random)
		if err != nil {
			return nil, err
		}
		if count == len(l.degrees) {
			return membership, nil
		}
		for i, node := range membership {
			membership[i] = community[node]
		}
		l = l.aggregate(community, count)
	}
}

func newLevel(g *Graph) *level {
	l := &level{
		starts:  g.starts,
		targets: g.neighbors,
		weights: make([]float64, len(g.neighbors)),
		degrees: make([]float64, g.Len()),
		total:   float64(len(g.neighbors)),
	}
	for i := range l.weights {
		l.weights[i] = 1
	}
	for i := range l.degrees {
		l.degrees[i] = float64(len(g.Neighbors(i)))
	}
	return l
}

// A pass over all nodes that raises the modularity by less than this is the last
// of its level.
const leastGain = 1e-7

// move moves nodes to the community among their neighbours' that raises the
// modularity most, until none is worth a move. It returns a community for every
// node, numbered from 0 in the order of their first nodes, and their number.
func (l *level) move(ctx context.Context, resolution float64, random *rand.PCG) (community []int, count int, err error) {
	n := len(l.degrees)
	community = make([]int, n)
	order := make([]int, n)
	for i := range n {
		community[i], order[i] = i, i
	}
	// degrees of communities; edges from the node in hand to each of those
	// that it touches.
	degrees := slices.Clone(l.degrees)
	edges := make([]float64, n)
	var touched []int
	gained := l.total
	for l.total > 0 && gained > leastGain*l.total {
		gained = 0
		shuffle(order, random)
		for visit, node := range order {
			if visit%4096 == 0 && ctx.Err() != nil {
				return nil, 0, ctx.Err()
			}
			own := community[node]
			touched = append(touched[:0], own)
			for p := l.starts[node]; p < l.starts[node+1]; p++ {
				target := int(l.targets[p])
				if target == node {
					continue
				}
				c := community[target]
				if edges[c] == 0 && c != own {
					touched = append(touched, c)
				}
				edges[c] += l.weights[p]
			}
			degrees[own] -= l.degrees[node]
			// Half the change of 2m·Q by joining a community.
			gain := func(c int) float64 {
				return edges[c] - resolution*l.degrees[node]*degrees[c]/l.total
			}
			stay := gain(own)
			best, bestGain := own, stay
			for _, c := range touched[1:] {
				if g := gain(c); g > bestGain || g == bestGain && best != own && c < best {
					best, bestGain = c, g
				}
			}
			for _, c := range touched {
				edges[c] = 0
			}
			degrees[best] += l.degrees[node]
			community[node] = best
			gained += 2 * (bestGain - stay)
		}
	}
	return community, renumber(community), nil
}

// renumber numbers communities from 0 in the order of their first nodes, and
// returns how many there are.
func renumber(community []int) int {
	numbers := make([]int, len(community))
	count := 0
	for i, c := range community {
		if numbers[c] == 0 {
			count++
			numbers[c] = count
		}
		community[i] = numbers[c] - 1
	}
	return count
}

// aggregate returns the graph of the communities. The edges within one become an
// edge of the node to itself, which counts twice.
func (l *level) aggregate(community []int, count int) *level {
	members := make([]int, len(community))
	ends := make([]int, count+1)
	for _, c := range community {
		ends[c+1]++
	}
	for c := range count {
		ends[c+1] += ends[c]
	}
	next := slices.Clone(ends[:count])
	for node, c := range community {
		members[next[c]] = node
		next[c]++
	}
	up := &level{starts: make([]int, count+1), degrees: make([]float64, count), total: l.total}
	edges := make([]float64, count)
	var touched []int32
	for c := range count {
		touched = touched[:0]
		for _, node := range members[ends[c]:ends[c+1]] {
			up.degrees[c] += l.degrees[node]
			for p := l.starts[node]; p < l.starts[node+1]; p++ {
				target := community[l.targets[p]]
				if edges[target] == 0 {
					touched = append(touched, int32(target))
				}
				edges[target] += l.weights[p]
			}
		}
		slices.Sort(touched)
		for _, target := range touched {
			up.targets = append(up.targets, target)
			up.weights = append(up.weights, edges[target])
			edges[target] = 0
		}
		up.starts[c+1] = len(up.targets)
	}
	return up
}

// shuffle is the Fisher-Yates shuffle, written out so that a seed means the same
// order with every release of Go.
func shuffle(order []int, random *rand.PCG) {
	for i := len(order) - 1; i > 0; i-- {
		j, _ := bits.Mul64(random.Uint64(), uint64(i+1))
		order[i], order[j] = order[j], order[i]
	}
}

// orderBySize numbers clusters, which have no gaps, by size and then by their
// first cell.
func orderBySize(clusters []int) {
	type cluster struct{ size, first int }
	var all []cluster
	for i, c := range clusters {
		for len(all) <= c {
			all = append(all, cluster{first: len(clusters)})
		}
		all[c].size++
		all[c].first = min(all[c].first, i)
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(all[b].size, all[a].size), cmp.Compare(all[a].first, all[b].first))
	})
	numbers := make([]int, len(all))
	for number, c := range order {
		numbers[c] = number
	}
	for i, c := range clusters {
		clusters[i] = numbers[c]
	}
}
