package kernel

// PackedLen is the length of a packed n × k matrix: its columns are filled up
// to whole panels.
func PackedLen(n, k, nr int) int { return (n + nr - 1) / nr * nr * k }

// PackRows packs the transpose of the n × k matrix src for [Set.Gemm]: the
// product of a row with it is a row of inner products with src's rows. Panel q
// holds rows q·nr to q·nr+nr-1, element p of each side by side; missing rows are
// zero. dst has PackedLen(n, k, nr) elements.
func PackRows(dst []float32, src []float32, ld, n, k, nr int) {
	for j := 0; j < n; j += nr {
		panel := dst[j*k : (j+nr)*k]
		w := min(nr, n-j)
		for jj := range w {
			row := src[(j+jj)*ld : (j+jj)*ld+k]
			for p, v := range row {
				panel[p*nr+jj] = v
			}
		}
		for jj := w; jj < nr; jj++ {
			for p := range k {
				panel[p*nr+jj] = 0
			}
		}
	}
}

// PackCols packs the k × n matrix src for [Set.Gemm] as it is: panel q holds
// columns q·nr to q·nr+nr-1, row after row; missing columns are zero. dst has
// PackedLen(n, k, nr) elements.
func PackCols(dst []float32, src []float32, ld, n, k, nr int) {
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
