package projection

import (
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// fuzzySet says to which degree, above 0 and at most 1, each pair of cells
// belongs together: the fuzzy simplicial set of the paper. It is symmetric.
type fuzzySet struct {
	// The partners of cell i are partners[starts[i]:starts[i+1]], ascending.
	starts   []int
	partners []int32
	degrees  []float64
}

// newFuzzySet makes one of the nearest neighbours of every cell. For the nearest
// of them the degree is 1, and it falls with the distance beyond that one, so
// that the degrees of all add up to log2 of their number (algorithms 2 and 3).
func newFuzzySet(found *neighbors.Result) *fuzzySet {
	n := found.Queries()
	all := 0.0
	for _, d := range found.Distances {
		all += float64(d)
	}
	mean := all / float64(n*(found.K+1)) // the cell itself counts too
	directed := make([]float64, len(found.Distances))
	for i := range n {
		_, distances := found.Of(i)
		degreesOf(distances, mean, directed[i*found.K:(i+1)*found.K])
	}
	return union(found, directed)
}

// leastWidth bounds the width of a cell's neighbourhood from below, as a share
// of the mean distance.
const leastWidth = 1e-3

// degreesOf sets the degrees to which the neighbours at some distances, ascending,
// belong to a cell. mean is that of all distances, for a cell whose neighbours
// are all at its own place.
func degreesOf(distances []float32, mean float64, degrees []float64) {
	nearest, own := 0.0, 0.0
	for _, d := range distances {
		if nearest == 0 {
			nearest = float64(d)
		}
		own += float64(d)
	}
	sum := func(width float64) float64 {
		s := 0.0
		for _, d := range distances {
			s += degree(float64(d)-nearest, width)
		}
		return s
	}
	target := log(float64(len(distances)+1)) / math.Ln2
	low, high, width := 0.0, math.Inf(1), 1.0
	for range 64 {
		s := sum(width)
		if math.Abs(s-target) < 1e-5 {
			break
		}
		switch {
		case s > target:
			high = width
			width = (low + high) / 2
		case math.IsInf(high, 1):
			low = width
			width *= 2
		default:
			low = width
			width = (low + high) / 2
		}
	}
	if nearest > 0 {
		mean = own / float64(len(distances)+1)
	}
	width = max(width, leastWidth*mean)
	for j, d := range distances {
		degrees[j] = degree(float64(d)-nearest, width)
	}
}

// degree is that of a neighbour so much farther than the nearest.
func degree(beyond, width float64) float64 {
	if beyond <= 0 || width == 0 {
		return 1
	}
	ratio := beyond / width
	if ratio > 700 {
		return 0
	}
	return exp(-ratio)
}

// union joins the degrees from both sides of each pair: a + b - a·b.
func union(found *neighbors.Result, directed []float64) *fuzzySet {
	n, k := found.Queries(), found.K
	// Both directions, in the order of cells: what i says of j, then what j
	// says of i, each ascending.
	starts := make([]int, n+1)
	for _, j := range found.Indices {
		starts[j+1]++
	}
	for i := range n {
		starts[i+1] += starts[i]
	}
	back := make([]int32, len(found.Indices))
	backDegrees := make([]float64, len(found.Indices))
	next := append([]int(nil), starts[:n]...)
	for p, j := range found.Indices {
		back[next[j]], backDegrees[next[j]] = int32(p/k), directed[p]
		next[j]++
	}
	s := &fuzzySet{starts: make([]int, n+1)}
	own, ownDegrees := make([]int32, k), make([]float64, k)
	for i := range n {
		copy(own, found.Indices[i*k:(i+1)*k])
		copy(ownDegrees, directed[i*k:(i+1)*k])
		sortPairs(own, ownDegrees)
		a, b, end := 0, starts[i], starts[i+1]
		for a < k || b < end {
			var j int32
			var d float64
			switch {
			case b == end || a < k && own[a] < back[b]:
				j, d = own[a], ownDegrees[a]
				a++
			case a == k || back[b] < own[a]:
				j, d = back[b], backDegrees[b]
				b++
			default:
				x, y := ownDegrees[a], backDegrees[b]
				j, d = own[a], x+y-float64(x*y)
				a++
				b++
			}
			if d > 0 {
				s.partners, s.degrees = append(s.partners, j), append(s.degrees, d)
			}
		}
		s.starts[i+1] = len(s.partners)
	}
	return s
}

// sortPairs sorts a few indices, and what belongs to them alike.
func sortPairs(indices []int32, values []float64) {
	for i := 1; i < len(indices); i++ {
		for j := i; j > 0 && indices[j] < indices[j-1]; j-- {
			indices[j], indices[j-1] = indices[j-1], indices[j]
			values[j], values[j-1] = values[j-1], values[j]
		}
	}
}
