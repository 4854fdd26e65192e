package projection

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// symmetric is a symmetric n × n matrix, row by row.
type symmetric struct {
	n       int
	data    []float64
	threads int
}

// times sets y to the product with x.
func (a *symmetric) times(y, x []float64) {
	threads := a.threads
	if a.n < 256 {
		threads = 1 // not worth a goroutine
	}
	parallel(threads, a.n, func(from, to int) {
		for i := from; i < to; i++ {
			y[i] = dot(a.data[i*a.n:(i+1)*a.n], x)
		}
	})
}

// eigenpair is an eigenvalue with its vector, of length 1.
type eigenpair struct {
	value  float64
	vector []float64
}

// converged is the greatest residual |A·v - λ·v| of a pair that counts as
// found, as a share of the greatest eigenvalue.
const converged = 1e-12

// largest returns the k greatest eigenvalues, descending, by the Lanczos method
// with full reorthogonalisation (Golub and Van Loan, Matrix Computations, 10.3).
//
// One run of it finds a single vector of eigenvalues that are equal. So another
// one looks, among what is orthogonal to those found, for an eigenvalue that is
// greater than the least of them, until there is none.
func (a *symmetric) largest(ctx context.Context, k int) ([]eigenpair, error) {
	random := rand.NewPCG(1, 0)
	found, err := a.lanczos(ctx, k, math.Inf(-1), nil, random)
	if err != nil {
		return nil, err
	}
	descending := func(x, y eigenpair) int { return cmp.Compare(y.value, x.value) }
	for len(found) < a.n {
		enough := found[k-1].value + converged*math.Abs(found[0].value)
		more, err := a.lanczos(ctx, 1, enough, found, random)
		if err != nil {
			return nil, err
		}
		if more[0].value <= enough {
			break
		}
		found = append(found, more[0])
		slices.SortStableFunc(found, descending)
	}
	return found[:k], nil
}

// lanczos returns the k greatest eigenpairs among what is orthogonal to others.
// It ends early where the greatest is no greater than enough.
func (a *symmetric) lanczos(ctx context.Context, k int, enough float64, others []eigenpair, random *rand.PCG) ([]eigenpair, error) {
	var basis [][]float64
	var diagonal, beside []float64
	clean := func(v []float64) {
		for range 2 { // once loses to rounding, twice is enough (Kahan, Parlett)
			for _, o := range others {
				addScaled(v, -dot(o.vector, v), o.vector)
			}
			for _, q := range basis {
				addScaled(v, -dot(q, v), q)
			}
		}
	}
	fresh := func() []float64 {
		for {
			v := make([]float64, a.n)
			for i := range v {
				v[i] = uniform(random)
			}
			before := length(v)
			clean(v)
			if l := length(v); l > 1e-8*before {
				scale(v, 1/l)
				return v
			}
		}
	}
	space := a.n - len(others)
	k = min(k, space)
	next := min(2*k+16, space) // the size at which to look at the pairs
	norm := 0.0
	q := fresh()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		basis = append(basis, q)
		w := make([]float64, a.n)
		a.times(w, q)
		alpha := dot(q, w)
		diagonal = append(diagonal, alpha)
		clean(w)
		beta := length(w)
		norm = max(norm, math.Abs(alpha)+beta)
		// All that the start vector leads to has been seen, up to rounding.
		closed := beta <= 1e-14*norm
		if closed {
			beta = 0
		}
		size := len(basis)
		if size == next {
			values, vectors := eigenTridiagonal(diagonal, beside)
			order := make([]int, size)
			for i := range order {
				order[i] = i
			}
			slices.SortFunc(order, func(x, y int) int { return cmp.Or(cmp.Compare(values[y], values[x]), cmp.Compare(x, y)) })
			limit := converged * math.Abs(values[order[0]])
			worst := 0.0
			for _, p := range order[:k] {
				worst = max(worst, math.Abs(float64(beta*vectors[(size-1)*size+p])))
			}
			if size == space || worst <= limit || values[order[0]]+worst <= enough {
				return ritz(basis, values, vectors, order[:k]), nil
			}
			next = min(space, size+size/3+8)
		}
		if closed {
			q = fresh()
		} else {
			scale(w, 1/beta)
			q = w
		}
		beside = append(beside, beta)
	}
}

// ritz turns eigenvectors of the tridiagonal matrix into those of the whole.
func ritz(basis [][]float64, values, vectors []float64, order []int) []eigenpair {
	size := len(basis)
	pairs := make([]eigenpair, len(order))
	for i, p := range order {
		v := make([]float64, len(basis[0]))
		for j, q := range basis {
			addScaled(v, vectors[j*size+p], q)
		}
		scale(v, 1/length(v))
		pairs[i] = eigenpair{values[p], v}
	}
	return pairs
}
