package kernel

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
// error is bounded by the largest number of the pair of rows, not by that of each
// row; for rows of like size, as norms leave them, it is little more than that of a
// plain sum.

// pairPlanes is the number of half rows that a pair is laid out as: A11, A12, A22,
// S1, S2, S3, S4.
const pairPlanes = 7

// minPairDepth is the least depth at which pairs gain anything.
const minPairDepth = 128

// Pairs reports whether n × k matrices are multiplied by pairs of rows: where
// factors are float32, panels come in twos, and half the depth is whole vectors of
// any set.
func (s *Set) Pairs(n, k int) bool {
	return s.InPlace() && k >= minPairDepth && k%32 == 0 && n%(2*s.NR) == 0
}

// PairedLen is the length of what PackPairs makes.
func (s *Set) PairedLen(n, k int) int { return n * k }

// PackPairs sets dst to the sums T1 to T4 of each two panels of a packed n × k
// matrix, which must be one of Pairs.
func (s *Set) PackPairs(dst, panels []float32, n, k int) {
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
	s.pairRows(dst[i*ld:], pairs*ld, first, second)
}

// PairScratch is the length of the scratch memory that GemmPairs needs.
func (s *Set) PairScratch(pairs int) int { return 5 * pairs * s.NR }

// GemmPairs computes some pairs of rows and two panels of columns as Gemm does for
// single rows. Row 2·i and 2·i+1 of c are those of pair i of a (see PairFactors). b is the two panels, sums
// what PackPairs makes of them; bias is the first panel's, shift the second's less
// the first's, or both are nil.
func (s *Set) GemmPairs(pairs, k int, a, b, sums, c []float32, ldc int, bias, shift, scratch []float32, flags Flags) {
	ld, nr := PairStride(k), s.NR
	half := k / 2
	plane := func(i int) []float32 { return a[i*pairs*ld:] }
	quarter := func(x []float32, i int) []float32 { return x[i*half*nr : (i+1)*half*nr] }
	n := pairs * nr
	c11, c12, c21, c22, p := scratch[:n:n], scratch[n:2*n:2*n], scratch[2*n:3*n:3*n], scratch[3*n:4*n:4*n], scratch[4*n:5*n:5*n]
	gemm := func(dst []float32, rows int, panel, start []float32, flags Flags) {
		s.Gemm(pairs, half, plane(rows), ld, panel, dst, nr, start, flags)
	}
	const a11, a12, a22, s1, s2, s3, s4 = 0, 1, 2, 3, 4, 5, 6
	gemm(c11, a11, quarter(b, 0), bias, 0)
	copy(c12, c11)
	gemm(c12, s2, quarter(sums, 1), nil, Accumulate)
	copy(c21, c12)
	gemm(c21, s3, quarter(sums, 2), nil, Accumulate)
	gemm(p, s1, quarter(sums, 0), shift, 0)
	s.Add(c22, c21, p)
	s.Add(c12, c12, p)
	gemm(c21, a22, quarter(sums, 3), nil, Accumulate|flags)
	gemm(c12, s4, quarter(b, 3), nil, Accumulate|flags)
	gemm(c11, a12, quarter(b, 1), nil, Accumulate|flags)
	switch {
	case flags&ReLU != 0:
		relu(c22)
	case flags&LeakyReLU != 0:
		leakyReLU(c22)
	}
	s.spread(c, 2*ldc, c11, pairs)
	s.spread(c[nr:], 2*ldc, c12, pairs)
	s.spread(c[ldc:], 2*ldc, c21, pairs)
	s.spread(c[ldc+nr:], 2*ldc, c22, pairs)
}

// spread copies rows of NR numbers to rows ldd apart.
func (s *Set) spread(dst []float32, ldd int, src []float32, rows int) {
	nr := s.NR
	if s.spreadRows != nil {
		s.spreadRows(dst, ldd, src, rows)
		return
	}
	for i := range rows {
		copy(dst[i*ldd:i*ldd+nr], src[i*nr:(i+1)*nr])
	}
}

// pairRows writes the seven half rows of a pair, plane numbers apart.
func (s *Set) pairRows(dst []float32, plane int, first, second []float32) {
	if s.pair != nil {
		s.pair(dst, plane, first, second)
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
