package neighbors

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// Options tune [Search]. The zero value is right for most.
type Options struct {
	// Threads is the most goroutines to work at once; 0 is GOMAXPROCS. The
	// result does not depend on it.
	Threads int
	// ExcludeSelf leaves out the reference with the query's own index, for
	// a matrix that is searched in itself.
	ExcludeSelf bool
}

// Result holds the neighbours of every query, nearest first.
type Result struct {
	// K is the number of neighbours of each query.
	K int
	// Indices are rows of the references: Indices[i*K+j] is the neighbour j
	// of query i.
	Indices []int32
	// Distances are Euclidean, in the order of Indices.
	Distances []float32
}

// Queries returns the number of queries.
func (r *Result) Queries() int {
	if r.K < 1 {
		return 0
	}
	return len(r.Indices) / r.K
}

// Of returns the neighbours of query i and their distances, parts of r.
func (r *Result) Of(i int) (indices []int32, distances []float32) {
	from, to := i*r.K, (i+1)*r.K
	return r.Indices[from:to:to], r.Distances[from:to:to]
}

// The work is cut into products of queryTile × referenceTile, small enough for
// gonum to compute each on the goroutine that asks for it and for the operands
// to stay in the cache. A block of queries shares one transposed tile.
const (
	queryTile     = 64
	referenceTile = 192
	queryBlock    = 4 * queryTile
)

// Search finds the k nearest of the references for every query, by Euclidean
// distance. On rows of length 1 the order is that of cosine similarity, which is
// 1 - distance²/2.
//
// The result is exact: products in float32 only rule out what is too far by
// more than their rounding error, and what remains is compared by its distance
// in float64. Of neighbours equally far the one with the smaller index comes
// first. So the result is the same bytes for any number of threads and on any
// processor.
//
// Beside the result, memory is 8 bytes per row, and per thread 768·Cols + 4096·k
// bytes and little more. Time is proportional to queries.Rows·refs.Rows·Cols.
// When ctx ends, Search returns its error within some milliseconds of work.
//
// Queries and references must have the same number of columns, and k must be
// between 1 and the number of references, less one with ExcludeSelf; all values
// must be finite. Otherwise an [*Error] says which is not.
func Search(ctx context.Context, queries, refs Matrix, k int, options Options) (*Result, error) {
	if err := checkSearch(queries, refs, k, options); err != nil {
		return nil, err
	}
	s := &search{queries: queries, refs: refs, k: k, excludeSelf: options.ExcludeSelf}
	var longestQuery, longestRef float64
	s.querySquares, longestQuery = queries.squares()
	s.refSquares, longestRef = refs.squares()
	if math.Sqrt(longestQuery)+math.Sqrt(longestRef) > math.MaxFloat32 {
		return nil, invalidf("queries and refs", "values too large: a distance can pass %g, the greatest number of 32 bits", math.MaxFloat32)
	}
	s.result = &Result{
		K:         k,
		Indices:   make([]int32, queries.Rows*k),
		Distances: make([]float32, queries.Rows*k),
	}
	if err := s.run(ctx, options.Threads); err != nil {
		return nil, err
	}
	return s.result, nil
}

func checkSearch(queries, refs Matrix, k int, options Options) error {
	if err := queries.Check("queries"); err != nil {
		return err
	}
	if err := refs.Check("refs"); err != nil {
		return err
	}
	most := refs.Rows
	switch {
	case queries.Cols != refs.Cols:
		return invalidf("queries", "%d columns, but refs has %d: both must come from the same model", queries.Cols, refs.Cols)
	case options.Threads < 0:
		return invalidf("options.Threads", "%d, but it must be 0, for all processors, or more", options.Threads)
	case options.ExcludeSelf && queries.Rows != refs.Rows:
		return invalidf("options.ExcludeSelf", "there are %d queries and %d refs, but it is for a matrix searched in itself", queries.Rows, refs.Rows)
	case options.ExcludeSelf:
		most--
	}
	switch {
	case k < 1:
		return invalidf("k", "%d, but at least one neighbour must be asked for", k)
	case k > most:
		return invalidf("k", "%d, but a query has only %d references to choose from", k, most)
	case queries.Rows > math.MaxInt/8/k:
		return invalidf("k", "%d for %d queries: the result would not fit in memory", k, queries.Rows)
	}
	return nil
}

// search is one call of Search.
type search struct {
	queries, refs            Matrix
	querySquares, refSquares []float64
	k                        int
	excludeSelf              bool
	result                   *Result
}

// run hands blocks of queries to goroutines.
func (s *search) run(ctx context.Context, threads int) error {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	block := min(queryBlock, (s.queries.Rows-1)/threads+1)
	blocks := (s.queries.Rows-1)/block + 1
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(threads, blocks) {
		workers.Go(func() {
			w := newWorker(s, block)
			for ctx.Err() == nil {
				from := int(next.Add(1)-1) * block
				if from >= s.queries.Rows {
					return
				}
				w.block(ctx, from, min(from+block, s.queries.Rows))
			}
		})
	}
	workers.Wait()
	return ctx.Err()
}

// worker is the memory of one goroutine.
type worker struct {
	*search
	nearest []nearest
	// tile is a tile of the references, transposed.
	tile []float32
	// products are queryTile × referenceTile.
	products []float32
}

func newWorker(s *search, block int) *worker {
	w := &worker{
		search:   s,
		nearest:  make([]nearest, block),
		tile:     make([]float32, s.refs.Cols*min(referenceTile, s.refs.Rows)),
		products: make([]float32, min(queryTile, block)*min(referenceTile, s.refs.Rows)),
	}
	heaps := make([]candidate, block*s.k)
	for i := range w.nearest {
		w.nearest[i] = heaps[i*s.k : i*s.k : (i+1)*s.k]
	}
	return w
}

// block finds the neighbours of the queries from … to-1, or gives up when ctx
// ends.
func (w *worker) block(ctx context.Context, from, to int) {
	for i := range w.nearest {
		w.nearest[i] = w.nearest[i][:0]
	}
	for first := 0; first < w.refs.Rows; first += referenceTile {
		if ctx.Err() != nil {
			return
		}
		last := min(first+referenceTile, w.refs.Rows)
		w.transpose(first, last)
		for q := from; q < to; q += queryTile {
			w.compare(q, min(q+queryTile, to), first, last, w.nearest[q-from:])
		}
	}
	for q := from; q < to; q++ {
		indices, distances := w.result.Of(q)
		w.nearest[q-from].drain(indices, distances)
	}
}

// transpose lays out the references first … last-1 as gonum multiplies fastest.
func (w *worker) transpose(first, last int) {
	n := last - first
	for i := range n {
		for j, v := range w.refs.Row(first + i) {
			w.tile[j*n+i] = v
		}
	}
}

// compare offers the references first … last-1 to the queries from … to-1.
func (w *worker) compare(from, to, first, last int, nearest []nearest) {
	d, n := w.refs.Cols, last-first
	blas32.Gemm(blas.NoTrans, blas.NoTrans,
		1, blas32.General{Rows: to - from, Cols: d, Stride: d, Data: w.queries.Data[from*d : to*d]},
		blas32.General{Rows: d, Cols: n, Stride: n, Data: w.tile},
		0, blas32.General{Rows: to - from, Cols: n, Stride: n, Data: w.products})
	squares := w.refSquares[first:last]
	longest := 0.0
	for _, s := range squares {
		longest = max(longest, s)
	}
	for q := from; q < to; q++ {
		h := &nearest[q-from]
		limit := w.limit(*h, w.querySquares[q], longest)
		products := w.products[(q-from)*n : (q-from+1)*n]
		for i, square := range squares {
			if square-2*float64(products[i]) > limit {
				continue
			}
			r := first + i
			if w.excludeSelf && r == q {
				continue
			}
			if h.offer(candidate{squaredDistance(w.queries.Row(q), w.refs.Row(r)), int32(r)}) {
				limit = w.limit(*h, w.querySquares[q], longest)
			}
		}
	}
}

// limit returns the greatest |r|² - 2·q·r, as computed, that a reference of at
// most the given squared length can have and still be nearer than the farthest
// in h. It is infinite while h has room.
func (w *worker) limit(h nearest, query, longest float64) float64 {
	if len(h) < w.k {
		return math.Inf(1)
	}
	d := float64(w.refs.Cols)
	lengths := math.Sqrt(query) * math.Sqrt(longest)
	if lengths > math.MaxFloat32/4 || d > 1<<20 {
		// The product may overflow, or its error may be of any size.
		return math.Inf(1)
	}
	// A product of float32 in any order of summation is off by less than
	// d·2⁻²⁴/(1-d·2⁻²⁴) of the lengths (Higham, Accuracy and Stability of
	// Numerical Algorithms, 3.1), and by the smallest normal number for each
	// term that underflows. It counts twice, and is doubled for safety; so is
	// the error of the sums in float64.
	product := (d + 2) * (0x1p-22*lengths + 0x1p-124)
	sums := (d + 4) * 0x1p-51 * (query + longest + h[0].square)
	return h[0].square - query + product + sums
}

// squaredDistance is computed in one order and without fused operations, on
// every processor alike.
func squaredDistance(a, b []float32) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		d0 := float64(a[i]) - float64(b[i])
		d1 := float64(a[i+1]) - float64(b[i+1])
		d2 := float64(a[i+2]) - float64(b[i+2])
		d3 := float64(a[i+3]) - float64(b[i+3])
		s0 += float64(d0 * d0)
		s1 += float64(d1 * d1)
		s2 += float64(d2 * d2)
		s3 += float64(d3 * d3)
	}
	for ; i < len(a); i++ {
		d := float64(a[i]) - float64(b[i])
		s0 += float64(d * d)
	}
	return (s0 + s1) + (s2 + s3)
}
