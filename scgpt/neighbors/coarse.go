package neighbors

import (
	"math"
	"sync"
	"time"

	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

// A search may look at its references through bfloat16 first: products take little
// more than half of the time there, or less, and though they are off by more, they
// rule out most. What they leave is compared by its distance, or, where they leave
// much, by products in float32. The error is in proportion to the rows' lengths, so
// that a mean is subtracted from all rows: embeddings of cells have much in common.

// coarseUnit is by how much a factor's centring and rounding can change it: half a
// unit of the eight bits of bfloat16, with room for errors of the second order.
const coarseUnit = 0x1.02p-8

// leftPart is the part of a product's pairs that may be left, 1/leftPart: to compare
// these by their distance takes half the time of the product in float32. A query
// whose k nearest are among n references must leave k of n of the next ones, so
// that it is of no use before leftPart·k.
const leftPart = 64

// coarseQueries and coarseTiles are how many queries, and how many tiles of
// references beyond leftPart·k, make up for preparing the references.
const coarseQueries, coarseTiles = 64, 8

// coarseSet returns the kernels to look through first, nil where that would not be
// faster. It measures: there are processors whose bfloat16 products take twice
// the time of those in float32. The result does not depend on it.
var coarseSet = sync.OnceValue(func() *kernel.Set {
	sets := kernel.Sets()
	for _, set := range sets {
		if set.Precision == "bf16" && productTime(set) < productTime(sets[0])*5/8 {
			return set
		}
	}
	return nil
})

// productTime measures products of some rows and a panel, for a column.
func productTime(set *kernel.Set) time.Duration {
	// Enough products that a coarse clock tells them apart.
	const cols, products, rounds = 512, 64, 3
	words := set.Words(cols)
	rows, panel := make([]float32, queryTile*words), make([]float32, words*set.NR)
	out := make([]float32, queryTile*set.NR)
	best := time.Duration(math.MaxInt64)
	for range rounds {
		start := time.Now()
		for range products {
			set.Gemm(queryTile, words, rows, words, panel, out, set.NR, nil, 0)
		}
		best = min(best, time.Since(start))
	}
	return best / time.Duration(set.NR)
}

// coarse is what all goroutines of a search share of that.
type coarse struct {
	set  *kernel.Set
	mean []float32
	// Squared lengths of the rows less the mean.
	querySquares, refSquares []float64
}

// newCoarse returns nil for searches that are too small for it.
func newCoarse(set *kernel.Set, queries, refs Matrix, k, threads int) *coarse {
	if set == nil || queries.Rows < coarseQueries || refs.Rows/leftPart < k || refs.Rows-leftPart*k < coarseTiles*referenceTile {
		return nil
	}
	c := &coarse{set: set, mean: refs.mean()}
	c.querySquares, c.refSquares = queries.squaresFrom(c.mean, threads), refs.squaresFrom(c.mean, threads)
	return c
}

// sampleRows is of how many rows the mean is taken: any vector will do, the mean
// of all does best.
const sampleRows = 1024

// mean returns the mean of some rows.
func (m Matrix) mean() []float32 {
	n := min(m.Rows, sampleRows)
	sums := make([]float64, m.Cols)
	for i := range n {
		for j, v := range m.Row(int(int64(i) * int64(m.Rows) / int64(n))) {
			sums[j] += float64(v)
		}
	}
	mean := make([]float32, m.Cols)
	for j, sum := range sums {
		mean[j] = float32(sum / float64(n))
	}
	return mean
}

// squaresFrom returns the squared distance of each row from a vector.
func (m Matrix) squaresFrom(mean []float32, threads int) []float64 {
	squares := make([]float64, m.Rows)
	const least = 1024 // rows that are worth a goroutine
	part := max(least, (m.Rows-1)/threads+1)
	var workers sync.WaitGroup
	for from := 0; from < m.Rows; from += part {
		workers.Go(func() {
			for i := from; i < min(from+part, m.Rows); i++ {
				squares[i] = squaredDistance(m.Row(i), mean)
			}
		})
	}
	workers.Wait()
	return squares
}

// coarseWorker is the memory of one goroutine for it.
type coarseWorker struct {
	*coarse
	centred, scratch []float32
	// queries are the words of a block's queries, stride apart.
	queries []float32
	stride  int
	// tile is a tile of the references, packed, and halves as in worker.
	tile, halves, products []float32
	longest                float64
	// pause is for how many tiles to do without, lastPause what it began with.
	pause, lastPause int
}

func newCoarseWorker(c *coarse, block int, refs Matrix) *coarseWorker {
	nr, words := c.set.NR, c.set.Words(refs.Cols)
	width := (min(referenceTile, refs.Rows) + nr - 1) / nr * nr
	stride := kernel.Stride(words)
	return &coarseWorker{
		coarse:   c,
		centred:  make([]float32, referenceTile*refs.Cols),
		scratch:  make([]float32, c.set.PackScratch(refs.Cols)),
		queries:  make([]float32, block*stride),
		stride:   stride,
		tile:     make([]float32, c.set.PackedLen(width, refs.Cols)),
		halves:   make([]float32, width),
		products: make([]float32, min(queryTile, block)*width),
	}
}

// centre leaves the rows from … to-1 less the mean in centred.
func (c *coarseWorker) centre(m Matrix, from, to int) {
	for i := from; i < to; i++ {
		row, out := m.Row(i), c.centred[(i-from)*m.Cols:][:m.Cols]
		for j, mean := range c.mean {
			out[j] = row[j] - mean
		}
	}
}

// begin takes the queries from … to-1.
func (c *coarseWorker) begin(queries Matrix, from, to int) {
	for at := from; at < to; at += referenceTile {
		end := min(at+referenceTile, to)
		c.centre(queries, at, end)
		c.set.Factors(c.queries[(at-from)*c.stride:], c.stride, c.centred, queries.Cols, end-at, queries.Cols)
	}
	c.pause, c.lastPause = 0, 0
}

// pack lays out the references first … last-1.
func (c *coarseWorker) pack(refs Matrix, first, last int) {
	c.centre(refs, first, last)
	c.set.PackRows(c.tile, c.centred, refs.Cols, last-first, refs.Cols, c.scratch)
	c.longest = 0
	for i, square := range c.refSquares[first:last] {
		c.halves[i] = float32(-square / 2)
		c.longest = max(c.longest, square)
	}
}

// learn decides for how long to do without, after as many of the products of a
// tile left too much.
func (c *coarseWorker) learn(products, left int) {
	const longestPause = 63
	if 4*left <= products {
		c.lastPause = 0
		return
	}
	c.lastPause = min(2*c.lastPause+1, longestPause)
	c.pause = c.lastPause
}

// ruleOut offers the references first … last-1 to the queries from … to-1, of the
// block that begins at a query, but for those that are too far. It does nothing
// and returns false where too many are left.
func (w *worker) ruleOut(block, from, to, first, last int) bool {
	c, n := w.coarse, last-first
	width := multiply(c.set, to-from, c.set.Words(w.refs.Cols), c.queries[(from-block)*c.stride:], c.stride, c.tile, c.halves, c.products, n)
	var limits [queryTile]float32
	left := 0
	row := func(q int) []float32 { return c.products[(q-from)*width : (q-from)*width+n] }
	for q := from; q < to; q++ {
		limit := w.limit(w.nearest[q-block], c.querySquares[q], c.longest, coarseUnit)
		limits[q-from] = limit
		if c.set.Max(row(q)) < limit {
			limits[q-from] = float32(math.Inf(1))
			continue
		}
		for _, product := range row(q) {
			if !(product < limit) {
				left++
			}
		}
	}
	if left > (to-from)*n/leftPart {
		return false
	}
	for q := from; q < to; q++ {
		if limit := limits[q-from]; !math.IsInf(float64(limit), 1) {
			w.offer(q, first, row(q), limit, c.querySquares[q], c.longest, coarseUnit, &w.nearest[q-block])
		}
	}
	return true
}
