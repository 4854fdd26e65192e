package evaluate

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// Options tune what works on an embedding. The zero value is right for most.
type Options struct {
	// Threads is the most goroutines to work at once; 0 is GOMAXPROCS. No
	// result depends on it.
	Threads int
}

// Silhouette returns the silhouette coefficient of every cell of an embedding,
// between -1 and 1, for Euclidean distances (Rousseeuw 1987,
// doi:10.1016/0377-0427(87)90125-7):
//
//	s = (b - a) / max(a, b)
//
// where a is the mean distance to the other cells of the same label, and b the
// least mean distance to the cells of another. A cell alone with its label has
// 0. It is scikit-learn's silhouette_samples; its silhouette_score is the
// [Mean].
//
// There must be at least two labels and fewer labels than cells. Time is
// proportional to x.Rows²·x.Cols; memory is that of a few rows of distances per
// thread. When ctx ends, Silhouette returns its error.
func Silhouette[L Label](ctx context.Context, x neighbors.Matrix, labels []L, options Options) ([]float64, error) {
	return silhouettes(ctx, x, "labels", labels, options)
}

// silhouettes is Silhouette with a name for labels in errors.
func silhouettes[L Label](ctx context.Context, x neighbors.Matrix, name string, labels []L, options Options) ([]float64, error) {
	group, sizes, err := groupsOf(x, name, labels)
	if err != nil {
		return nil, err
	}
	switch {
	case options.Threads < 0:
		return nil, invalidf("options.Threads", "%d, but it must be 0, for all processors, or more", options.Threads)
	case len(sizes) == 1:
		return nil, invalidf(name, "all %d cells have the same label, but a silhouette needs two", x.Rows)
	case len(sizes) == x.Rows:
		return nil, invalidf(name, "each of the %d cells has a label of its own, but a silhouette needs two cells of one", x.Rows)
	}
	s := &silhouette{x: x, group: group, sizes: sizes, squares: make([]float64, x.Rows), result: make([]float64, x.Rows)}
	for i := range s.squares {
		for _, v := range x.Row(i) {
			s.squares[i] += float64(v) * float64(v)
		}
	}
	if err := s.run(ctx, options.Threads); err != nil {
		return nil, err
	}
	return s.result, nil
}

// groupsOf checks that x has values and a label for each row, and groups these.
func groupsOf[L Label](x neighbors.Matrix, name string, labels []L) (group, sizes []int, err error) {
	if err := x.Check("x"); err != nil {
		return nil, nil, err
	}
	if len(labels) != x.Rows {
		return nil, nil, invalidf(name, "%d labels, but x has %d rows: there must be one per cell", len(labels), x.Rows)
	}
	return groups(name, labels)
}

// Mean is the arithmetic mean, 0 of no values.
func Mean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// silhouette is one call of Silhouette.
type silhouette struct {
	x            neighbors.Matrix
	group, sizes []int
	// squares are the squared lengths of the rows of x.
	squares []float64
	result  []float64
}

// Products are of rowTile × columnTile cells, few enough for gonum to compute
// each on the goroutine that asks for it.
const (
	rowTile    = 64
	columnTile = 192
)

// run hands tiles of cells to goroutines.
func (s *silhouette) run(ctx context.Context, threads int) error {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	tiles := (s.x.Rows-1)/rowTile + 1
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(threads, tiles) {
		workers.Go(func() {
			w := newSilhouetteWorker(s)
			for ctx.Err() == nil {
				from := int(next.Add(1)-1) * rowTile
				if from >= s.x.Rows {
					return
				}
				w.tile(ctx, from, min(from+rowTile, s.x.Rows))
			}
		})
	}
	workers.Wait()
	return ctx.Err()
}

// silhouetteWorker is the memory of one goroutine.
type silhouetteWorker struct {
	*silhouette
	rows, columns, products []float64
	// sums of distances of one row to the cells of each group.
	sums []float64
}

func newSilhouetteWorker(s *silhouette) *silhouetteWorker {
	rows, columns := min(rowTile, s.x.Rows), min(columnTile, s.x.Rows)
	return &silhouetteWorker{
		silhouette: s,
		rows:       make([]float64, rows*s.x.Cols),
		columns:    make([]float64, columns*s.x.Cols),
		products:   make([]float64, rows*columns),
		sums:       make([]float64, rows*len(s.sizes)),
	}
}

// tile computes the coefficients of the cells from … to-1, or gives up when ctx
// ends.
func (w *silhouetteWorker) tile(ctx context.Context, from, to int) {
	d, groups := w.x.Cols, len(w.sizes)
	for i, v := range w.x.Data[from*d : to*d] {
		w.rows[i] = float64(v)
	}
	clear(w.sums)
	for first := 0; first < w.x.Rows; first += columnTile {
		if ctx.Err() != nil {
			return
		}
		last := min(first+columnTile, w.x.Rows)
		n := last - first
		for i := range n {
			for j, v := range w.x.Row(first + i) {
				w.columns[j*n+i] = float64(v)
			}
		}
		blas64.Gemm(blas.NoTrans, blas.NoTrans,
			1, blas64.General{Rows: to - from, Cols: d, Stride: d, Data: w.rows},
			blas64.General{Rows: d, Cols: n, Stride: n, Data: w.columns},
			0, blas64.General{Rows: to - from, Cols: n, Stride: n, Data: w.products})
		for i := from; i < to; i++ {
			sums := w.sums[(i-from)*groups : (i-from+1)*groups]
			for j, product := range w.products[(i-from)*n : (i-from+1)*n] {
				if cell := first + j; cell != i {
					sums[w.group[cell]] += w.distance(i, cell, product)
				}
			}
		}
	}
	for i := from; i < to; i++ {
		w.result[i] = w.coefficient(i, w.sums[(i-from)*groups:(i-from+1)*groups])
	}
}

// distance returns the distance of two cells, of which product is the scalar
// product.
func (w *silhouetteWorker) distance(i, j int, product float64) float64 {
	both := w.squares[i] + w.squares[j]
	square := both - 2*product
	if square < 1e-6*both {
		// Too close together, for their lengths, for a difference of squares.
		square = 0
		b := w.x.Row(j)
		for k, v := range w.x.Row(i) {
			difference := float64(v) - float64(b[k])
			square += difference * difference
		}
	}
	return math.Sqrt(square)
}

// coefficient returns that of a cell with the given sums of distances.
func (w *silhouetteWorker) coefficient(cell int, sums []float64) float64 {
	own := w.group[cell]
	if w.sizes[own] == 1 {
		return 0
	}
	a := sums[own] / float64(w.sizes[own]-1)
	b := math.Inf(1)
	for g, sum := range sums {
		if g != own {
			b = min(b, sum/float64(w.sizes[g]))
		}
	}
	if a == 0 && b == 0 {
		return 0
	}
	return (b - a) / max(a, b)
}
