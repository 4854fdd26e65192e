package kernel

// halves are the loops of a set whose factors are bfloat16.
type halves struct {
	// parts is 1, or 3 where a product is made of three: of what rounding
	// leaves with itself, and twice with what it takes off.
	parts int
	// step is the number of words that a row is a multiple of.
	step int
	// round writes n numbers of each of some rows, ld apart, as ⌈n/16⌉·8 words,
	// two neighbours in each, the first in the lower half: hi rounded to
	// nearest, lo (unless nil) what that took off, rounded as well. Their rows
	// are ldd apart.
	round func(hi, lo []float32, ldd int, src []float32, ld, rows, n int)
	// interleave does the same with pairs of rows, one below the other, for
	// a panel of NR columns.
	interleave func(hi, lo, src []float32, ld, pairs int)
	// softmax is Softmax with rounded results, written as round writes them.
	softmax func(dst, row []float32, scale float32) float32
}

// A word is what Gemm multiplies at a time: a float32, or two bfloat16 in the
// memory of one. They are held as float32 either way, and words of bfloat16
// are only ever copied.

// Words returns how many words hold k factors.
func (s *Set) Words(k int) int {
	if s.halves == nil {
		return k
	}
	return s.halves.parts * s.part(k)
}

// part is the words of one part of k factors.
func (s *Set) part(k int) int { return ((k+1)/2 + s.halves.step - 1) / s.halves.step * s.halves.step }

// InPlace reports whether a word is a float32, so that Gemm reads rows as they
// are.
func (s *Set) InPlace() bool { return s.halves == nil }

// Factors writes m rows of k numbers, ld apart in src, as Gemm's first operand:
// rows of Words(k) words, ldd apart in dst (see [Stride]).
func (s *Set) Factors(dst []float32, ldd int, src []float32, ld, m, k int) {
	if s.halves != nil {
		s.roundRows(dst, ldd, src, ld, m, k, true)
		return
	}
	for i := range m {
		copy(dst[i*ldd:i*ldd+k], src[i*ld:])
	}
}

// Stride returns the distance at which rows of that many words should lie for
// Gemm: an odd number of cache lines. Gemm reads the same place of up to MR rows
// at a time. At a distance of a power of two these places share a few sets of the
// nearest cache, from which they push one another: with 512 words that took half
// of the speed on a Zen 4, at some addresses.
func Stride(words int) int {
	const line = 16
	lines := (words + line - 1) / line
	return (lines | 1) * line
}

// roundRows writes the words of rows: of one part; or of three, of which the second
// is what rounding took off and the others are equal for Gemm's first operand
// (hi, lo, hi), and the first two for its second (hi, hi, lo).
func (s *Set) roundRows(dst []float32, ldd int, src []float32, ld, m, k int, first bool) {
	if m < 1 || k < 1 {
		return
	}
	n, written := s.part(k), (k+15)/16*8
	three := s.halves.parts == 3
	hi, lo, again := dst, []float32(nil), 0
	if three {
		low := n
		again = 2 * n
		if !first {
			low, again = again, low
		}
		lo = dst[low:]
	}
	s.halves.round(hi, lo, ldd, src, ld, m, k)
	for i := range m {
		row := dst[i*ldd:]
		clear(row[written:n])
		if three {
			clear(lo[i*ldd+written : i*ldd+n])
			copy(row[again:again+n], row[:n])
		}
	}
}

// SoftmaxRow replaces row by what Softmax gives and returns the sum; where the
// set is not InPlace, the Words(len(row)) words of dst are the result and row
// is scratch.
func (s *Set) SoftmaxRow(dst, row []float32, scale float32) float32 {
	switch {
	case s.halves == nil:
		return s.Softmax(row, scale)
	case s.halves.parts == 3:
		sum := s.Softmax(row, scale)
		s.roundRows(dst, len(dst), row, len(row), 1, len(row), true)
		return sum
	}
	clear(dst[min((len(row)+15)/16*8, len(dst)):s.Words(len(row))])
	return s.halves.softmax(dst, row, scale)
}
