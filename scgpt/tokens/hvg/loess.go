package hvg

import (
	"cmp"
	"errors"
	"math"
	"slices"
)

const (
	// cellShare is the share of a neighbourhood above which a cell of the tree
	// is split.
	cellShare = 0.2

	// coefficients of a quadratic polynomial
	coefficients = 3
)

var (
	errFewPoints = errors.New("the local fits would have fewer values than unknowns; leave in more genes, or raise the span")
	errOnePlace  = errors.New("a share of them as large as the span has one and the same mean; leave out genes that few cells express, or raise the span")
)

// loess smooths y by local quadratic regression on x and returns the fitted
// values, and at how many vertices the regression was singular. The span is the
// share of points in a neighbourhood.
func loess(x, y []float64, span float64) (fitted []float64, singular int, err error) {
	n := len(x)
	near := min(n, int(float64(n)*span+1e-5))
	if near <= coefficients {
		return nil, 0, errFewPoints
	}
	order := columns(n)
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
	s := &smoother{x: make([]float64, n), y: make([]float64, n), near: near, leaf: int(float64(n) * (span * cellShare))}
	for k, i := range order {
		s.x[k], s.y[k] = x[i], y[i]
	}
	low, high := s.x[0], s.x[n-1]
	margin := 0.005 * max(high-low, 1e-10*max(math.Abs(low), math.Abs(high))+1e-30)
	low, high = low-margin, high+margin
	s.vertices = append(s.vertices, vertex{at: low})
	s.split(0, n-1, low, high)
	s.vertices = append(s.vertices, vertex{at: high})
	start := 0
	for i := range s.vertices {
		v := &s.vertices[i]
		for start+near < n && s.x[start+near]-v.at < v.at-s.x[start] {
			start++
		}
		full, err := v.fit(s.x[start:start+near], s.y[start:start+near])
		if err != nil {
			return nil, 0, err
		}
		if !full {
			singular++
		}
	}
	fitted = make([]float64, n)
	right := 1
	for k, i := range order {
		for right < len(s.vertices)-1 && s.vertices[right].at < s.x[k] {
			right++
		}
		fitted[i] = blend(s.vertices[right-1], s.vertices[right], s.x[k])
	}
	return fitted, singular, nil
}

// A smoother holds the points by x, and the vertices of the cells that they
// were divided into, ascending.
type smoother struct {
	x, y     []float64
	near     int // points in a neighbourhood
	leaf     int // points in a cell that is not split
	vertices []vertex
}

// split divides the cell between low and high, which has the points from to to,
// at the median and appends the vertices within.
func (s *smoother) split(from, to int, low, high float64) {
	if to-from+1 <= s.leaf || high <= low {
		return
	}
	m := s.cut(from, to)
	at := s.x[m]
	if at == low || at == high {
		return
	}
	s.split(from, m, low, at)
	s.vertices = append(s.vertices, vertex{at: at})
	s.split(m+1, to, at, high)
}

// cut returns the last point of the lower half. Where the halves' border is
// among ties, it is the nearest one that is not, looked for upwards and
// downwards in turn until one side ends.
func (s *smoother) cut(from, to int) int {
	m := (from + to) / 2
	offset := 0
	for m+offset < to && m+offset >= from {
		if s.x[m+offset] != s.x[m+offset+1] {
			return m + offset
		}
		offset = -offset
		if offset >= 0 {
			offset++
		}
	}
	return m
}

// blend interpolates between two vertices by the cubic polynomial that has
// their values and slopes.
func blend(a, b vertex, x float64) float64 {
	width := b.at - a.at
	h := (x - a.at) / width
	k := 1 - h
	return k*k*(1+2*h)*a.value + h*h*(3-2*h)*b.value + (h*k*k*a.slope-h*h*k*b.slope)*width
}
