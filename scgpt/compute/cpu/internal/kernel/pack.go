package kernel

// PackedLen is the length of a packed n × k matrix: its columns are filled up
// to whole panels.
func PackedLen(n, k, nr int) int { return (n + nr - 1) / nr * nr * k }

// PackRows packs the transpose of the n × k matrix src for Gemm: the product
// of a row with it is a row of inner products with src's rows. Panel q holds
// rows q·NR to q·NR+NR-1, element p of each side by side; missing rows are zero.
// dst has PackedLen(n, k, NR) elements.
func (s *Set) PackRows(dst []float32, src []float32, ld, n, k int) {
	nr := s.NR
	for j := 0; j < n; j += nr {
		panel := dst[j*k : (j+nr)*k]
		w := min(nr, n-j)
		// The corner that whole blocks leave, and all without transpose8.
		rows, cols := 0, 0
		if s.transpose8 != nil {
			rows, cols = w&^7, k&^7
		}
		if cols > 0 {
			for jj := 0; jj < rows; jj += 8 {
				s.transpose8(panel[jj:], nr, src[(j+jj)*ld:], ld, cols/8)
			}
		}
		for jj := range w {
			first := 0
			if jj < rows {
				first = cols
			}
			for p, v := range src[(j+jj)*ld+first : (j+jj)*ld+k] {
				panel[(first+p)*nr+jj] = v
			}
		}
		if w == nr {
			continue
		}
		for p := range k {
			clear(panel[p*nr+w : (p+1)*nr])
		}
	}
}

// PackCols packs the k × n matrix src for Gemm as it is: panel q holds columns
// q·NR to q·NR+NR-1, row after row; missing columns are zero. dst has
// PackedLen(n, k, NR) elements.
func (s *Set) PackCols(dst []float32, src []float32, ld, n, k int) {
	nr := s.NR
	for j := 0; j < n; j += nr {
		panel := dst[j*k : (j+nr)*k]
		w := min(nr, n-j)
		for p := range k {
			to := panel[p*nr : (p+1)*nr]
			copy(to, src[p*ld+j:p*ld+j+w])
			clear(to[w:])
		}
	}
}
