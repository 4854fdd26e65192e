package neighbors

import (
	"cmp"
	"math"
	"slices"
)

// candidate is a reference at its squared distance from the query.
type candidate struct {
	square float64
	index  int32
}

func compareCandidates(a, b candidate) int {
	return cmp.Or(cmp.Compare(a.square, b.square), cmp.Compare(a.index, b.index))
}

// nearest is a heap of the nearest candidates so far, the farthest at the top.
// Its capacity is how many are wanted.
type nearest []candidate

// offer takes c in where it is among the nearest, and says whether it is.
func (h *nearest) offer(c candidate) bool {
	s := *h
	if len(s) < cap(s) {
		s = append(s, c)
		*h = s
		for i := len(s) - 1; i > 0; {
			parent := (i - 1) / 2
			if compareCandidates(s[parent], s[i]) >= 0 {
				break
			}
			s[parent], s[i] = s[i], s[parent]
			i = parent
		}
		return true
	}
	if compareCandidates(c, s[0]) >= 0 {
		return false
	}
	s[0] = c
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if right := child + 1; right < len(s) && compareCandidates(s[right], s[child]) > 0 {
			child = right
		}
		if compareCandidates(s[i], s[child]) >= 0 {
			break
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
	return true
}

// drain writes the candidates, nearest first, and leaves h in no order.
func (h nearest) drain(indices []int32, distances []float32) {
	slices.SortFunc(h, compareCandidates)
	for i, c := range h {
		indices[i], distances[i] = c.index, float32(math.Sqrt(c.square))
	}
}
