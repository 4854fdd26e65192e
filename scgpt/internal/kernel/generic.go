package kernel

import "math"

// Generic is the set in pure Go. It never fuses a multiplication with an
// addition, so that it gives the same bits on every architecture.
var Generic = &Set{
	Name:      "generic",
	Precision: "fp32",
	MR:        4,
	NR:        4,
	Gemm:      gemmGeneric,
	Max:       maxGeneric,
	Softmax:   softmaxGeneric,
	Scale:     scaleGeneric,
	Add:       addGeneric,
	AddNorm:   addNormGeneric,
}

func gemmGeneric(m, k int, a []float32, lda int, b []float32, c []float32, ldc int, bias []float32, flags Flags) {
	b = b[:4*k]
	i := 0
	for ; i+2 <= m; i += 2 {
		tile2x4(a[i*lda:i*lda+k], a[(i+1)*lda:(i+1)*lda+k], b, c[i*ldc:i*ldc+4], c[(i+1)*ldc:(i+1)*ldc+4], bias, flags)
	}
	if i < m {
		var unused [4]float32
		row := a[i*lda : i*lda+k]
		tile2x4(row, row, b, c[i*ldc:i*ldc+4], unused[:], bias, flags)
	}
}

// tile2x4 computes two rows of a tile: as many sums as there are registers
// for on amd64.
func tile2x4(a0, a1, b, c0, c1, bias []float32, flags Flags) {
	var s00, s01, s02, s03, s10, s11, s12, s13 float32
	switch {
	case flags&Accumulate != 0:
		s00, s01, s02, s03 = c0[0], c0[1], c0[2], c0[3]
		s10, s11, s12, s13 = c1[0], c1[1], c1[2], c1[3]
	case bias != nil:
		s00, s01, s02, s03 = bias[0], bias[1], bias[2], bias[3]
		s10, s11, s12, s13 = s00, s01, s02, s03
	}
	a1 = a1[:len(a0)]
	for p, x := range a0 {
		if len(b) < 4 {
			break
		}
		y := a1[p]
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
		s00 += float32(x * b0)
		s01 += float32(x * b1)
		s02 += float32(x * b2)
		s03 += float32(x * b3)
		s10 += float32(y * b0)
		s11 += float32(y * b1)
		s12 += float32(y * b2)
		s13 += float32(y * b3)
		b = b[4:]
	}
	c0[0], c0[1], c0[2], c0[3] = s00, s01, s02, s03
	c1[0], c1[1], c1[2], c1[3] = s10, s11, s12, s13
	switch {
	case flags&ReLU != 0:
		relu(c0[:4])
		relu(c1[:4])
	case flags&LeakyReLU != 0:
		leakyReLU(c0[:4])
		leakyReLU(c1[:4])
	}
}

func relu(x []float32) {
	for i, v := range x {
		x[i] = max(v, 0)
	}
}

func leakyReLU(x []float32) {
	for i, v := range x {
		x[i] = max(v, 0.01*v)
	}
}

func maxGeneric(row []float32) float32 {
	top := float32(math.Inf(-1))
	for _, v := range row {
		if v > top {
			top = v
		}
	}
	return top
}

func softmaxGeneric(row []float32, scale float32) float32 {
	if len(row) == 0 {
		return 0
	}
	top := row[0]
	for _, v := range row {
		if v > top {
			top = v
		}
	}
	scale *= log2e
	var sum float64
	for i, v := range row {
		e := exp2(float32((v - top) * scale))
		row[i] = e
		sum += float64(e)
	}
	return float32(sum)
}

func scaleGeneric(dst, src []float32, s float32) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = s * src[i]
	}
}

func addGeneric(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func addNormGeneric(dst, a, b, gamma, beta []float32, eps float32) {
	n := len(dst)
	a, gamma, beta = a[:n], gamma[:n], beta[:n]
	if b == nil {
		copy(dst, a)
	} else {
		b = b[:n]
		for i := range dst {
			dst[i] = a[i] + b[i]
		}
	}
	var sum float64
	for _, v := range dst {
		sum += float64(v)
	}
	mean := sum / float64(n)
	var squares float64
	for _, v := range dst {
		d := float64(v) - mean
		squares += float64(d * d)
	}
	mean32 := float32(mean)
	inv := float32(1 / math.Sqrt(squares/float64(n)+float64(eps)))
	for i, v := range dst {
		x := float32((v - mean32) * inv)
		dst[i] = float32(x*gamma[i]) + beta[i]
	}
}
