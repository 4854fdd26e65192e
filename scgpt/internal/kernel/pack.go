package kernel

// PackedLen is the length of a packed n × k matrix: its columns are filled up
// to whole panels, its rows to whole words.
func (s *Set) PackedLen(n, k int) int { return (n + s.NR - 1) / s.NR * s.NR * s.Words(k) }

// PackScratch is the length of the scratch memory that PackRows needs.
func (s *Set) PackScratch(k int) int {
	if s.halves == nil {
		return 0
	}
	return s.NR * s.Words(k)
}

// PackRows packs the transpose of the n × k matrix src for Gemm: the product
// of a row with it is a row of inner products with src's rows. Panel q holds
// rows q·NR to q·NR+NR-1, word p of each side by side; missing rows are zero.
// dst has PackedLen(n, k) elements, scratch PackScratch(k).
func (s *Set) PackRows(dst, src []float32, ld, n, k int, scratch []float32) {
	nr, size := s.NR, s.Words(k)
	for j := 0; j < n; j += nr {
		w := min(nr, n-j)
		rows, stride := src[j*ld:], ld
		if s.halves != nil {
			rows, stride = scratch, size
			s.roundRows(scratch, size, src[j*ld:], ld, w, k, false)
		} else if next := j + nr; next < n {
			s.Prefetch(src[next*ld:], ld, min(nr, n-next), k)
		}
		s.transpose(dst[j*size:(j+nr)*size], rows, stride, w, size)
	}
}

// transpose writes w ≤ NR rows of k words as a panel.
func (s *Set) transpose(panel, src []float32, ld, w, k int) {
	nr := s.NR
	// The corner that whole blocks leave, and all without transpose8.
	rows, cols := 0, 0
	if s.transpose8 != nil {
		rows, cols = w&^7, k&^7
	}
	if cols > 0 {
		for i := 0; i < rows; i += 8 {
			s.transpose8(panel[i:], nr, src[i*ld:], ld, cols/8)
		}
	}
	for i := range w {
		first := 0
		if i < rows {
			first = cols
		}
		for p, v := range src[i*ld+first : i*ld+k] {
			panel[(first+p)*nr+i] = v
		}
	}
	if w == nr {
		return
	}
	for p := range k {
		clear(panel[p*nr+w : (p+1)*nr])
	}
}

// PackCols packs the k × n matrix src for Gemm as it is: panel q holds columns
// q·NR to q·NR+NR-1, row after row; missing columns are zero. dst has
// PackedLen(n, k) elements.
func (s *Set) PackCols(dst, src []float32, ld, n, k int) { s.PackColsPart(dst, src, ld, n, k, 0, k) }

// PackColsPart packs the rows from to from+rows-1 of those that PackCols packs,
// which src holds alone. from is even; the last rows come last.
func (s *Set) PackColsPart(dst, src []float32, ld, n, k, from, rows int) {
	nr, size := s.NR, s.Words(k)
	for j := 0; j < n; j += nr {
		panel := dst[j*size : (j+nr)*size]
		w := min(nr, n-j)
		switch {
		case s.halves != nil:
			s.packPairs(panel, src[j:], ld, w, k, from, rows)
		case w == nr && s.copyRows != nil:
			s.copyRows(panel[from*nr:], nr, src[j:], ld, rows)
		default:
			for p := range rows {
				to := panel[(from+p)*nr : (from+p+1)*nr]
				copy(to, src[p*ld+j:p*ld+j+w])
				clear(to[w:])
			}
		}
	}
}

// packPairs writes rows of a panel of w ≤ NR columns in words.
func (s *Set) packPairs(panel, src []float32, ld, w, k, from, rows int) {
	n := s.part(k) * s.NR
	hi, lo := panel[:n:n], []float32(nil)
	if s.halves.parts == 3 {
		lo = panel[2*n : 3*n : 3*n]
	}
	part := func(x []float32, p int) []float32 {
		if x == nil {
			return nil
		}
		return x[(from/2+p)*s.NR:]
	}
	whole := 0
	if w == s.NR {
		whole = rows / 2
		if whole > 0 {
			s.halves.interleave(part(hi, 0), part(lo, 0), src, ld, whole)
		}
	}
	var pair [2 * maxNR]float32
	for p := whole; 2*p < rows; p++ {
		clear(pair[:])
		copy(pair[:], src[2*p*ld:2*p*ld+w])
		if 2*p+1 < rows {
			copy(pair[s.NR:], src[(2*p+1)*ld:(2*p+1)*ld+w])
		}
		s.halves.interleave(part(hi, p), part(lo, p), pair[:2*s.NR], s.NR, 1)
	}
	if from+rows < k {
		return
	}
	clear(part(hi, (rows+1)/2))
	if lo != nil {
		clear(part(lo, (rows+1)/2))
		copy(panel[n:], hi)
	}
}
