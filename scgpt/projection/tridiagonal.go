package projection

import (
	"math"
)

// eigenTridiagonal returns the eigenvalues of the symmetric tridiagonal matrix
// with the given diagonal and the elements beside it, in no order, and the
// eigenvectors: vectors[i*n+k] is element i of that of values[k]. It is the QL
// algorithm with implicit shifts (Bowdler, Martin, Reinsch and Wilkinson 1968,
// doi:10.1007/BF02161109).
func eigenTridiagonal(diagonal, beside []float64) (values, vectors []float64) {
	n := len(diagonal)
	d := append([]float64(nil), diagonal...)
	e := make([]float64, n)
	copy(e, beside[:max(n-1, 0)])
	// z holds eigenvectors as rows while it is worked on.
	z := make([]float64, n*n)
	for i := range n {
		z[i*n+i] = 1
	}
	for l := range n {
		for {
			m := l
			for m < n-1 {
				scale := math.Abs(d[m]) + math.Abs(d[m+1])
				if math.Abs(e[m]) <= 0x1p-52*scale {
					break
				}
				m++
			}
			if m == l {
				break
			}
			rotate(d, e, z, l, m, n)
		}
	}
	vectors = make([]float64, n*n)
	for k := range n {
		for i := range n {
			vectors[i*n+k] = z[k*n+i]
		}
	}
	return d, vectors
}

// rotate does one QL step on the rows l … m.
func rotate(d, e, z []float64, l, m, n int) {
	g := (d[l+1] - d[l]) / (2 * e[l])
	r := hypotenuse(g, 1)
	g = d[m] - d[l] + e[l]/(g+math.Copysign(r, g))
	s, c, p := 1.0, 1.0, 0.0
	for i := m - 1; i >= l; i-- {
		f, b := float64(s*e[i]), float64(c*e[i])
		r = hypotenuse(f, g)
		e[i+1] = r
		if r == 0 {
			d[i+1] -= p
			e[m] = 0
			return
		}
		s, c = f/r, g/r
		g = d[i+1] - p
		r = float64((d[i]-g)*s) + float64(2*float64(c*b))
		p = float64(s * r)
		d[i+1] = g + p
		g = float64(c*r) - b
		lower, upper := z[i*n:(i+1)*n], z[(i+1)*n:(i+2)*n]
		for k, v := range upper {
			w := lower[k]
			upper[k] = float64(s*w) + float64(c*v)
			lower[k] = float64(c*w) - float64(s*v)
		}
	}
	d[l] -= p
	e[l] = g
	e[m] = 0
}

// hypotenuse is √(a²+b²). Overflow is far from the numbers here.
func hypotenuse(a, b float64) float64 { return math.Sqrt(float64(a*a) + float64(b*b)) }
