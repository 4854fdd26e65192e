package kernel

import "math"

// A product of pairs takes the rows of its first operand two by two, and the
// panels of its second two by two. Rows, panels and depth in halves make a 2 × 2
// product of blocks, which Strassen's algorithm in Winograd's form does with seven
// multiplications for eight (S. Winograd 1971; N. J. Higham, Accuracy and Stability
// of Numerical Algorithms, 2nd ed., section 23.1):
//
//	S1 = A21+A22   S2 = S1-A11   S3 = A11-A21   S4 = A12-S2
//	T1 = B12-B11   T2 = B22-T1   T3 = B22-B12   T4 = B21-T2
//	P  = A11·B11            C11 = P + A12·B21
//	U2 = P + S2·T2          C21 = U3 + A22·T4
//	U3 = U2 + S3·T3         C22 = U3 + S1·T1
//	                        C12 = U2 + S1·T1 + S4·B22
//
// A11 is the first half of the first row of a pair, A21 that of the second. The
// error of a number is bounded by the largest of both rows and of both columns (j of
// the one panel and of the other), not by those of its own: where these are of like
// size it is little more than that of a plain sum. Likewise what is not finite in one
// of them shows in the other.

// pairPlanes is the number of half rows that a pair is laid out as: A11, A12, A22,
// S1, S2, S3, S4.
const pairPlanes = 7

// minPairDepth is the least depth of products of pairs; with less, what surrounds the
// multiplications takes what they save.
const minPairDepth = 128

// Pairs reports whether n × k matrices are multiplied by pairs of rows: where
// factors are float32, panels come in twos, and half the depth is whole vectors of
// any set. Sets without the loops around it (neon) would gain little; Generic has it
// so that it can be tested everywhere.
func (s *Set) Pairs(n, k int) bool {
	return s.InPlace() && (s.pairRows != nil || s == Generic) && k >= minPairDepth && k%32 == 0 && n%(2*s.NR) == 0
}

// PairSumsLen is the length of what PackPairSums makes.
func (s *Set) PairSumsLen(n, k int) int { return n * k }

// PackPairSums sets dst to the sums T1 to T4 of each two panels of a packed n × k
// matrix, which must be one of Pairs.
func (s *Set) PackPairSums(dst, panels []float32, n, k int) {
	half := k / 2 * s.NR
	for j := 0; j < n*k; j += 4 * half {
		b11, b21, b12, b22 := panels[j:j+half], panels[j+half:j+2*half], panels[j+2*half:j+3*half], panels[j+3*half:j+4*half]
		t1, t2, t3, t4 := dst[j:j+half], dst[j+half:j+2*half], dst[j+2*half:j+3*half], dst[j+3*half:j+4*half]
		for i := range half {
			t1[i] = b12[i] - b11[i]
			t2[i] = b22[i] - t1[i]
			t3[i] = b22[i] - b12[i]
			t4[i] = b21[i] - t2[i]
		}
	}
}

// PairStride is the distance between pairs of rows of k numbers.
func PairStride(k int) int { return Stride(k / 2) }

// PairFactorsLen is the length of the first operand of that many pairs.
func PairFactorsLen(pairs, k int) int { return pairPlanes * pairs * PairStride(k) }

// PairFactors lays two rows of k numbers out as pair i of some in dst.
func (s *Set) PairFactors(dst []float32, i, pairs int, first, second []float32) {
	k := len(first)
	ld := PairStride(k)
	s.halfRows(dst[i*ld:], pairs*ld, first, second)
}

// PairScratch is the length of the scratch memory that GemmPairs needs.
func (s *Set) PairScratch(pairs int) int { return pairs * s.NR }

// GemmPairs computes some pairs of rows, at least one, and two panels of columns as Gemm
// does for single rows; flags are ReLU, LeakyReLU or 0. Rows 2·i and 2·i+1 of c are those of pair i of a (see PairFactors).
// b is the two panels, sums what PackPairSums makes of them; bias is the first panel's,
// shift the second's less the first's, or both are nil.
func (s *Set) GemmPairs(pairs, k int, a, b, sums, c []float32, ldc int, bias, shift, scratch []float32, flags Flags) {
	ld, nr, half := PairStride(k), s.NR, k/2
	c11, c12, c21, c22, ldc := c, c[nr:], c[ldc:], c[ldc+nr:], 2*ldc
	p := scratch[:pairs*nr]
	gemm := func(dst []float32, ldd, plane int, quarters []float32, quarter int, start []float32, flags Flags) {
		s.Gemm(pairs, half, a[plane*pairs*ld:], ld, quarters[quarter*half*nr:(quarter+1)*half*nr], dst, ldd, start, flags)
	}
	const a11, a12, a22, s1, s2, s3, s4 = 0, 1, 2, 3, 4, 5, 6
	const b11, b21, b22 = 0, 1, 3
	const t1, t2, t3, t4 = 0, 1, 2, 3
	gemm(c11, ldc, a11, b, b11, bias, 0)
	s.moveRows(c12, c11, ldc, pairs)
	gemm(c12, ldc, s2, sums, t2, nil, Accumulate)
	s.moveRows(c21, c12, ldc, pairs)
	gemm(c21, ldc, s3, sums, t3, nil, Accumulate)
	gemm(p, nr, s1, sums, t1, shift, 0)
	s.sumRows(c22, c21, ldc, p, pairs, flags)
	s.sumRows(c12, c12, ldc, p, pairs, 0)
	gemm(c21, ldc, a22, sums, t4, nil, Accumulate|flags)
	gemm(c12, ldc, s4, b, b22, nil, Accumulate|flags)
	gemm(c11, ldc, a12, b, b21, nil, Accumulate|flags)
}

// moveRows copies rows of NR numbers that lie ld apart.
func (s *Set) moveRows(dst, src []float32, ld, rows int) {
	if s.copyRows != nil {
		s.copyRows(dst, ld, src, ld, rows)
		return
	}
	for i := range rows {
		copy(dst[i*ld:i*ld+s.NR], src[i*ld:])
	}
}

// sumRows sets rows of NR numbers of dst to act(src + more). Those of dst and src lie ld
// apart, those of more follow one another.
func (s *Set) sumRows(dst, src []float32, ld int, more []float32, rows int, flags Flags) {
	nr := s.NR
	if s.addRows != nil && flags&LeakyReLU == 0 {
		low := float32(math.Inf(-1))
		if flags&ReLU != 0 {
			low = 0
		}
		s.addRows(dst, ld, src, ld, more, rows, low)
		return
	}
	for i := range rows {
		row := dst[i*ld : i*ld+nr]
		for j, v := range more[i*nr : (i+1)*nr] {
			row[j] = src[i*ld+j] + v
		}
		switch {
		case flags&ReLU != 0:
			relu(row)
		case flags&LeakyReLU != 0:
			leakyReLU(row)
		}
	}
}

// halfRows writes the seven half rows of a pair, plane numbers apart.
func (s *Set) halfRows(dst []float32, plane int, first, second []float32) {
	if s.pairRows != nil {
		s.pairRows(dst, plane, first, second)
		return
	}
	half := len(first) / 2
	to := func(i int) []float32 { return dst[i*plane : i*plane+half] }
	d0, d1, d2, d3, d4, d5, d6 := to(0), to(1), to(2), to(3), to(4), to(5), to(6)
	for i, a11 := range first[:half] {
		a12, a21, a22 := first[half+i], second[i], second[half+i]
		s1 := a21 + a22
		s2 := s1 - a11
		d0[i], d1[i], d2[i], d3[i], d4[i], d5[i], d6[i] = a11, a12, a22, s1, s2, a11-a21, a12-s2
	}
}
