package kernel

// halves are the loops of a set whose factors are bfloat16.
type halves struct {
	// parts is 1, or 3 where a product is made of three: of what rounding
	// leaves with itself, and twice with what it takes off.
	parts int
	// step is the number of words that a row is a multiple of.
	step int
	// round writes n numbers as ⌈n/16⌉·8 words, two neighbours in each, the
	// first in the lower half: hi rounded to nearest, lo (unless nil) what
	// that took off, rounded as well.
	round func(hi, lo, src []float32, n int)
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
// are and Round is needless.
func (s *Set) InPlace() bool { return s.halves == nil }

// Round writes m rows of k numbers as rows of Words(k) words for Gemm's first
// operand, one behind the other. It is for sets that are not InPlace.
func (s *Set) Round(dst, src []float32, ld, m, k int) {
	size := s.Words(k)
	for i := range m {
		s.roundRow(dst[i*size:(i+1)*size], src[i*ld:], k)
	}
}

// roundRow writes the parts hi, lo, hi.
func (s *Set) roundRow(dst, src []float32, k int) {
	hi, lo := s.roundParts(dst, src, k)
	if lo != nil {
		copy(dst[2*len(hi):], hi)
	}
}

// roundParts writes the first part of a row and, of three, the second.
func (s *Set) roundParts(dst, src []float32, k int) (hi, lo []float32) {
	n := s.part(k)
	hi = dst[:n:n]
	if s.halves.parts == 3 {
		lo = dst[n : 2*n : 2*n]
	}
	if written := (k + 15) / 16 * 8; written < n {
		clear(hi[written:])
		if lo != nil {
			clear(lo[written:])
		}
	}
	s.halves.round(hi, lo, src, k)
	return hi, lo
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
		s.roundRow(dst, row, len(row))
		return sum
	}
	clear(dst[min((len(row)+15)/16*8, len(dst)):s.Words(len(row))])
	return s.halves.softmax(dst, row, scale)
}
