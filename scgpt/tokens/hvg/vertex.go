package hvg

import "math"

// A vertex is a place where the curve was computed by regression.
type vertex struct {
	at           float64
	value, slope float64
}

// fit computes value and slope by weighted quadratic regression on the points,
// which are those nearest to the vertex. It reports whether the points determine
// the polynomial; where they do not, the smallest one is taken.
func (v *vertex) fit(x, y []float64) (full bool, err error) {
	radius := 0.0
	for _, p := range []float64{x[0], x[len(x)-1]} {
		radius = max(radius, (p-v.at)*(p-v.at))
	}
	if radius <= 0 {
		return false, errOnePlace
	}
	var m [coefficients][]float64
	for c := range m {
		m[c] = make([]float64, len(x))
	}
	target := make([]float64, len(x))
	inside := false
	for i, p := range x {
		d := p - v.at
		r := math.Sqrt(d * d / radius)
		t := 1 - r*r*r
		w := math.Sqrt(t * t * t)
		inside = inside || w > 0
		m[0][i], m[1][i], m[2][i] = w, w*d, w*d*d
		target[i] = w * y[i]
	}
	if !inside {
		return false, errOnePlace
	}
	var norm [coefficients]float64
	for c := range m {
		norm[c] = math.Sqrt(dot(m[c], m[c]))
		if norm[c] == 0 {
			norm[c] = 1
		}
		scale(m[c], 1/norm[c])
	}
	solution, full := leastSquares(&m, target)
	v.value, v.slope = solution[0]/norm[0], solution[1]/norm[1]
	return full, nil
}

// leastSquares solves m·b = y for columns of length about 1 by singular value
// decomposition (one-sided Jacobi rotations, which change m). Directions whose
// singular value is 0, but for rounding, are left out of b and reported.
func leastSquares(m *[coefficients][]float64, y []float64) (b [coefficients]float64, full bool) {
	const (
		rounding  = 0x1p-52
		maxSweeps = 40
	)
	var turn [coefficients][coefficients]float64 // right singular vectors, as columns
	for c := range turn {
		turn[c][c] = 1
	}
	for range maxSweeps {
		rotated := false
		for p := range coefficients {
			for q := p + 1; q < coefficients; q++ {
				pp, qq, pq := dot(m[p], m[p]), dot(m[q], m[q]), dot(m[p], m[q])
				if math.Abs(pq) <= rounding*math.Sqrt(pp*qq) {
					continue
				}
				rotated = true
				zeta := (qq - pp) / (2 * pq)
				t := math.Copysign(1/(math.Abs(zeta)+math.Sqrt(1+zeta*zeta)), zeta)
				cos := 1 / math.Sqrt(1+t*t)
				sin := cos * t
				rotate(m[p], m[q], cos, sin)
				rotate(turn[p][:], turn[q][:], cos, sin)
			}
		}
		if !rotated {
			break
		}
	}
	var sigma [coefficients]float64
	largest := 0.0
	for c := range m {
		sigma[c] = math.Sqrt(dot(m[c], m[c]))
		largest = max(largest, sigma[c])
	}
	full = true
	for c := range m {
		if sigma[c] <= largest*100*rounding {
			full = false
			continue
		}
		g := dot(m[c], y) / (sigma[c] * sigma[c])
		for k := range b {
			b[k] += g * turn[c][k]
		}
	}
	return b, full
}

func rotate(p, q []float64, cos, sin float64) {
	for i := range p {
		a, b := p[i], q[i]
		p[i], q[i] = cos*a-sin*b, sin*a+cos*b
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

func scale(a []float64, by float64) {
	for i := range a {
		a[i] *= by
	}
}
