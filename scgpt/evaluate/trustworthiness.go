package evaluate

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// Trustworthiness says how far the neighbours that a projection shows are
// neighbours in truth, between 0 and 1 where 1 is best (Venna and Kaski 2001,
// doi:10.1007/3-540-44668-0_68):
//
//	T = 1 - 2/(n·k·(2n-3k-1)) Σ_i Σ_j max(0, r(i,j) - k)
//
// where j are the k nearest cells to i in the projection, and r(i,j) is the rank
// of j among the nearest to i in x, from 1. Distances are Euclidean, and of equal
// ones the cell with the smaller index is nearer. It is scikit-learn's
// trustworthiness.
//
// Both need a row per cell; k must be at least 1 and less than half the number of
// cells. Time is proportional to x.Rows²·(x.Cols+k), memory is that of a row of
// distances per thread. When ctx ends, Trustworthiness returns its error.
func Trustworthiness(ctx context.Context, x, projected neighbors.Matrix, k int, options Options) (float64, error) {
	if err := x.Check("x"); err != nil {
		return 0, err
	}
	n := x.Rows
	switch {
	case projected.Rows != n:
		return 0, invalidf("projected", "%d rows, but x has %d: there must be one per cell", projected.Rows, n)
	case options.Threads < 0:
		return 0, invalidf("options.Threads", "%d, but it must be 0, for all processors, or more", options.Threads)
	case k < 1 || 2*k >= n:
		return 0, invalidf("k", "%d, but it must be at least 1 and less than half of the %d cells", k, n)
	}
	shown, err := neighbors.Search(ctx, projected, projected, k, neighbors.Options{Threads: options.Threads, ExcludeSelf: true})
	if err != nil {
		return 0, err
	}
	threads := options.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var next, penalty atomic.Int64
	var workers sync.WaitGroup
	for range min(threads, n) {
		workers.Go(func() {
			squares := make([]float64, n)
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				for j := range squares {
					squares[j] = squaredDistance(x.Row(i), x.Row(j))
				}
				of, _ := shown.Of(i)
				for _, j := range of {
					penalty.Add(int64(max(0, rank(squares, i, int(j))-k)))
				}
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return 1 - 2*float64(penalty.Load())/(float64(n)*float64(k)*float64(2*n-3*k-1)), nil
}

// rank returns the place of cell j among the nearest to cell i, from 1.
func rank(squares []float64, i, j int) int {
	at := squares[j]
	r := 1
	for l, s := range squares {
		if (s < at || s == at && l < j) && l != i {
			r++
		}
	}
	return r
}

func squaredDistance(a, b []float32) float64 {
	b = b[:len(a)]
	sum := 0.0
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += float64(d * d)
	}
	return sum
}
