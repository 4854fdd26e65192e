package tokens

import (
	"fmt"
	"math"
)

// binner computes scGPT's value bins: quantiles of a cell's own non-zero values.
// The arithmetic is numpy's to the last bit (numpy.quantile, method linear, on
// float32, and numpy.digitize), which the digits depend on.
type binner struct {
	// quantiles are numpy.linspace(0, 1, bins-1).
	quantiles []float64
	edges     []float64
}

func newBinner(bins int) *binner {
	n := bins - 1
	b := &binner{quantiles: make([]float64, n), edges: make([]float64, n)}
	step := 1 / float64(n-1)
	for i := range n {
		b.quantiles[i] = float64(i) * step
	}
	b.quantiles[n-1] = 1
	return b
}

// setEdges computes the bin edges of the ranked values, of which there is at
// least one.
func (b *binner) setEdges(ranked []rank) {
	last := len(ranked) - 1
	at := func(i int) float32 { return ranked[last-min(i, last)].value() }
	for i, q := range b.quantiles {
		v := q * float64(last)
		j := math.Floor(v)
		t := v - j
		low, high := at(int(j)), at(int(j)+1)
		// numpy subtracts in float32 and interpolates in float64, from the
		// nearer end. The conversions keep the compiler from fusing products
		// and sums, which would round once instead of twice.
		diff := float64(high - low)
		if t < 0.5 {
			b.edges[i] = float64(low) + float64(diff*t)
		} else {
			b.edges[i] = float64(high) - float64(diff*(1-t))
		}
	}
}

// bin writes the bin, from 1 on, of each ranked value to digits at the value's
// position.
func (b *binner) bin(digits []float32, ranked []rank, draw draws) {
	if len(ranked) == 0 {
		return
	}
	b.setEdges(ranked)
	below, upTo := 0, 0 // numbers of edges < x and ≤ x
	for i := len(ranked) - 1; i >= 0; i-- {
		x := float64(ranked[i].value())
		for below < len(b.edges) && b.edges[below] < x {
			below++
		}
		for upTo < len(b.edges) && b.edges[upTo] <= x {
			upTo++
		}
		back := float64(draw.next() * float64(below-upTo))
		digits[ranked[i].position()] = float32(math.Ceil(back + float64(upTo)))
	}
}

// Bin returns the bin of each of the values x of one cell: 0 for a zero, else 1
// to bins-1. draw, from 0 to less than 1, decides among the bins that a value
// spans: 0.5 is TiesMid, 0 is TiesLeft. Values that are not finite, and fewer
// than 3 bins, are errors.
func Bin(x []float32, bins int, draw float64) ([]float32, error) {
	if bins < 3 {
		return nil, fmt.Errorf("%d bins, 3 are the least", bins)
	}
	if !(draw >= 0 && draw < 1) {
		return nil, fmt.Errorf("a draw of %v, 0 to less than 1 would be right", draw)
	}
	var ranked []rank
	for i, v := range x {
		if !finite(v) {
			return nil, fmt.Errorf("value %d is %v, a finite number would be right", i, v)
		}
		if v != 0 {
			ranked = append(ranked, newRank(v, i))
		}
	}
	sortRanks(ranked)
	digits := make([]float32, len(x))
	newBinner(bins).bin(digits, ranked, draws{fixed: draw})
	return digits, nil
}

func finite(f float32) bool { return f-f == 0 }
