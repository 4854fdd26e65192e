package neighbors

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
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

// The work is cut into products of queryTile × referenceTile, so that the
// operands of each stay in a core's caches. A block of queries shares one packed
// tile of references.
const (
	queryTile     = 56
	referenceTile = 192
	queryBlock    = 1024
)

// Search finds the k nearest of the references for every query, by Euclidean
// distance. On rows of length 1 the order is that of cosine similarity, which is
// 1 - distance²/2.
//
// The result is exact: products in float32, and before them in bfloat16 where
// the processor is faster at those, only rule out what is too far by
// more than their rounding error, and what remains is compared by its distance
// in float64. Of neighbours equally far the one with the smaller index comes
// first. So the result is the same bytes for any number of threads and on any
// processor.
//
// Beside the result, memory is 16 bytes per row, and per thread 4,100·Cols +
// 16,384·k bytes and some 200 KB. Time is proportional to queries.Rows·refs.Rows·Cols.
// When ctx ends, Search returns its error within some milliseconds of work.
//
// Queries and references must have the same number of columns, and k must be
// between 1 and the number of references, less one with ExcludeSelf; all values
// must be finite. Otherwise an [*Error] says which is not.
func Search(ctx context.Context, queries, refs Matrix, k int, options Options) (*Result, error) {
	if err := checkSearch(queries, refs, k, options); err != nil {
		return nil, err
	}
	return searchWith(ctx, kernel.Sets()[0], coarseSet(), queries, refs, k, options)
}

// searchWith is Search on given kernels: of float32, and of bfloat16 or nil.
func searchWith(ctx context.Context, set, bf16 *kernel.Set, queries, refs Matrix, k int, options Options) (*Result, error) {
	s := &search{set: set, queries: queries, refs: refs, k: k, excludeSelf: options.ExcludeSelf}
	var longestQuery, longestRef float64
	s.querySquares, longestQuery = queries.squares()
	s.refSquares, longestRef = refs.squares()
	if math.Sqrt(longestQuery)+math.Sqrt(longestRef) > math.MaxFloat32 {
		return nil, invalidf("queries and refs", "values too large: a distance can pass %g, the greatest number of 32 bits", math.MaxFloat32)
	}
	threads := cmp.Or(options.Threads, runtime.GOMAXPROCS(0))
	s.bf16 = newCoarse(bf16, queries, refs, k, threads)
	s.result = &Result{
		K:         k,
		Indices:   make([]int32, queries.Rows*k),
		Distances: make([]float32, queries.Rows*k),
	}
	if err := s.run(ctx, threads); err != nil {
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
	set                      *kernel.Set
	queries, refs            Matrix
	querySquares, refSquares []float64
	bf16                     *coarse // nil to do without
	k                        int
	excludeSelf              bool
	result                   *Result
}

// run hands blocks of queries to goroutines.
func (s *search) run(ctx context.Context, threads int) error {
	// Blocks of equal size, as many as threads or a multiple of that.
	blocksWanted := ((s.queries.Rows-1)/queryBlock/threads + 1) * threads
	block := (s.queries.Rows-1)/blocksWanted + 1
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
	coarse  *coarseWorker
	nearest []nearest
	// tile is a tile of the references, packed, and half their squared lengths,
	// negative, as the kernels want a bias.
	tile, halves []float32
	// products are queryTile × the tile's columns.
	products []float32
}

func newWorker(s *search, block int) *worker {
	nr := s.set.NR
	width := (min(referenceTile, s.refs.Rows) + nr - 1) / nr * nr
	w := &worker{
		search:   s,
		nearest:  make([]nearest, block),
		tile:     make([]float32, s.set.PackedLen(width, s.refs.Cols)),
		halves:   make([]float32, width),
		products: make([]float32, min(queryTile, block)*width),
	}
	if s.bf16 != nil {
		w.coarse = newCoarseWorker(s.bf16, block, s.refs)
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
	if w.coarse != nil {
		w.coarse.begin(w.queries, from, to)
	}
	for first := 0; first < w.refs.Rows; first += referenceTile {
		if ctx.Err() != nil {
			return
		}
		last := min(first+referenceTile, w.refs.Rows)
		look := w.coarse != nil && first >= leftPart*w.k
		if look && w.coarse.pause > 0 {
			w.coarse.pause--
			look = false
		}
		if look {
			w.coarse.pack(w.refs, first, last)
		}
		products, left := 0, 0
		var longest float64
		for q := from; q < to; q += queryTile {
			end := min(q+queryTile, to)
			products++
			if look && w.ruleOut(from, q, end, first, last) {
				continue
			}
			if left++; left == 1 {
				longest = w.pack(first, last)
			}
			w.compare(q, end, first, last, longest, w.nearest[q-from:])
		}
		if look {
			w.coarse.learn(products, left)
		}
	}
	for q := from; q < to; q++ {
		indices, distances := w.result.Of(q)
		w.nearest[q-from].drain(indices, distances)
	}
}

// pack lays out the references first … last-1 for the kernels, and returns the
// greatest of their squared lengths.
func (w *worker) pack(first, last int) (longest float64) {
	d := w.refs.Cols
	w.set.PackRows(w.tile, w.refs.Data[first*d:], d, last-first, d, nil)
	for i, square := range w.refSquares[first:last] {
		w.halves[i] = float32(-square / 2)
		longest = max(longest, square)
	}
	return longest
}

// depth cuts the sums of products, so that a panel of the tile stays near.
const depth = 512

// multiply sets products to q·r - |r|²/2 for some queries, rows of words that lie
// ld apart, and n references of a tile, and returns the length of a row.
func multiply(set *kernel.Set, queries, words int, rows []float32, ld int, tile, halves, products []float32, n int) (width int) {
	nr := set.NR
	width = (n + nr - 1) / nr * nr
	for j := 0; j < width; j += nr {
		for k := 0; k < words; k += depth {
			var flags kernel.Flags
			if k > 0 {
				flags = kernel.Accumulate
			}
			set.Gemm(queries, min(depth, words-k), rows[k:], ld, tile[j*words+k*nr:], products[j:], width, halves[j:], flags)
		}
	}
	return width
}

// compare offers the references first … last-1 to the queries from … to-1.
func (w *worker) compare(from, to, first, last int, longest float64, nearest []nearest) {
	n := last - first
	d := w.queries.Cols
	width := multiply(w.set, to-from, d, w.queries.Data[from*d:], d, w.tile, w.halves, w.products, n)
	for q := from; q < to; q++ {
		h := &nearest[q-from]
		limit := w.limit(*h, w.querySquares[q], longest, 0)
		products := w.products[(q-from)*width : (q-from)*width+n]
		if w.set.Max(products) < limit {
			continue
		}
		w.offer(q, first, products, limit, w.querySquares[q], longest, 0, h)
	}
}

// offer offers those of the references from first on whose products are not below the
// limit to a query. The rest is as limit wants it.
func (w *worker) offer(q, first int, products []float32, limit float32, query, longest, unit float64, h *nearest) {
	for i, product := range products {
		if product < limit {
			continue
		}
		r := first + i
		if w.excludeSelf && r == q {
			continue
		}
		if h.offer(candidate{squaredDistance(w.queries.Row(q), w.refs.Row(r)), int32(r)}) {
			limit = w.limit(*h, query, longest, unit)
		}
	}
}

// limit returns the least q·r - |r|²/2, as computed, that a reference of at
// most the given squared length can have and still be nearer than the farthest
// in h. It is -Inf while h has room. unit is by how much factors are off, in
// proportion to themselves: 0; or coarseUnit for bfloat16, where rows and squared
// lengths are those less the mean.
func (w *worker) limit(h nearest, query, longest, unit float64) float32 {
	lowest := float32(math.Inf(-1))
	if len(h) < w.k {
		return lowest
	}
	d := float64(w.refs.Cols)
	a, b := math.Sqrt(query), math.Sqrt(longest)
	var factors float64
	if unit > 0 {
		// What is off may be what is too small for a normal number, too.
		small := math.Sqrt(d) * 0x1p-126
		offA, offB := unit*a+small, unit*b+small
		// By Cauchy and Schwarz.
		factors = offA*(b+offB) + a*offB
		a, b = a+offA, b+offB
	}
	size := a*b + longest/2
	if size > math.MaxFloat32/4 || d > 1<<20 || unit > 0 && max(a, b) > 0x1p126 {
		// The product, or a factor of bfloat16, may overflow, or its error may
		// be of any size.
		return lowest
	}
	// A sum of d+1 products of float32 in any order is off by less than
	// (d+1)·2⁻²⁴/(1-(d+1)·2⁻²⁴) of their size (Higham, Accuracy and Stability of
	// Numerical Algorithms, 3.1), its first term by half a unit of its own, and
	// all by the smallest normal number for each term that underflows. It is
	// doubled for safety; so is the error of the sums in float64.
	product := (d + 3) * (0x1p-23*size + 0x1p-124)
	sums := (d + 4) * 0x1p-52 * (query + longest + h[0].square)
	limit := (query-h[0].square)/2 - factors - product - sums
	return math.Nextafter32(float32(limit), lowest)
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
