package tokens

import (
	"math"
	"slices"
)

// A rank is a value and its position packed so that sorting the numbers sorts
// by value from high to low and equal values by position.
type rank uint64

func newRank(value float32, position int) rank {
	return rank(^ordered(value))<<32 | rank(uint32(position))
}

func (r rank) position() int { return int(uint32(r)) }

func (r rank) value() float32 {
	b := ^uint32(r >> 32)
	if b>>31 != 0 {
		return math.Float32frombits(b &^ (1 << 31))
	}
	return math.Float32frombits(^b)
}

// ordered maps floats to integers of the same order. NaN is not among them.
func ordered(f float32) uint32 {
	b := math.Float32bits(f)
	if b>>31 != 0 {
		return ^b
	}
	return b | 1<<31
}

func sortRanks(ranks []rank) { slices.Sort(ranks) }
