package projection

import (
	"context"
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// MaxColumns is the largest number of columns that [PCA] takes: it holds a
// matrix of their square, here 128 MiB. Of a matrix with all genes, take the
// highly variable ones.
const MaxColumns = 4096

// Options tune [PCA]. The zero value is right for most.
type Options struct {
	// Threads is the most goroutines to work at once; 0 is GOMAXPROCS. The
	// result does not depend on it.
	Threads int
}

// Components are the principal components of a matrix.
type Components struct {
	// K is the number of components, Cols that of the columns.
	K, Cols int
	// Vectors holds the directions, K rows of Cols, each of length 1 and
	// orthogonal to the others. Of the values of a direction the one that is
	// greatest in amount, the first of several, is positive.
	Vectors []float64
	// Mean is that of each column.
	Mean []float64
	// Variance along each direction, descending, with the number of rows less
	// one as the divisor; Total is that of all columns together.
	Variance []float64
	Total    float64
}

// PCA finds the k directions in which the rows of a matrix vary most: the
// eigenvectors of their covariance, with the greatest eigenvalues. Columns are
// centred, not scaled. It is scikit-learn's PCA, its signs included, and exact:
// eigenvalues have an error of some 1e-12 of the greatest.
//
// The source is read once, and sparse rows are never made dense. Time is
// proportional to the sum of the squares of the rows' values, and memory is
// 8·cols² bytes and little more. The rows must be at least 2, cols at most
// [MaxColumns], and k from 1 to the number of rows or columns, whichever is
// smaller. When ctx ends, PCA returns its error.
func PCA(ctx context.Context, rows Source, cols, k int, options Options) (*Components, error) {
	switch {
	case cols < 1 || cols > MaxColumns:
		return nil, invalidf("cols", "%d, but it must be from 1 to %d: choose columns first", cols, MaxColumns)
	case k < 1 || k > cols:
		return nil, invalidf("k", "%d components of %d columns: it must be from 1 to their number", k, cols)
	case options.Threads < 0:
		return nil, invalidf("options.Threads", "%d, but it must be 0, for all processors, or more", options.Threads)
	}
	mean, covariance, n, err := covarianceOf(ctx, rows, cols, options.Threads)
	if err != nil {
		return nil, err
	}
	if n < 2 || k > n {
		return nil, invalidf("k", "%d components of %d rows: there must be as many rows, and at least 2", k, n)
	}
	c := &Components{K: k, Cols: cols, Mean: mean}
	for i := range cols {
		c.Total += covariance.data[i*cols+i]
	}
	pairs, err := covariance.largest(ctx, k)
	if err != nil {
		return nil, err
	}
	for _, p := range pairs {
		orient(p.vector)
		c.Variance = append(c.Variance, max(p.value, 0))
		c.Vectors = append(c.Vectors, p.vector...)
	}
	return c, nil
}

// orient turns a vector so that its element of the greatest amount is positive.
func orient(v []float64) {
	at := 0
	for i, x := range v {
		if math.Abs(x) > math.Abs(v[at]) {
			at = i
		}
	}
	if v[at] < 0 {
		scale(v, -1)
	}
}

// Transform returns the rows of a matrix as coordinates along the components,
// K columns: what scikit-learn's transform returns.
func (c *Components) Transform(ctx context.Context, rows Source) (neighbors.Matrix, error) {
	m := neighbors.Matrix{Cols: c.K}
	// By column, so that the values of a row meet the directions in turn.
	directions := make([]float64, c.Cols*c.K)
	for k := range c.K {
		for j, v := range c.Vectors[k*c.Cols : (k+1)*c.Cols] {
			directions[j*c.K+k] = v
		}
	}
	origin := make([]float64, c.K)
	for j, mean := range c.Mean {
		addScaled(origin, mean, directions[j*c.K:(j+1)*c.K])
	}
	sums := make([]float64, c.K)
	n, err := rows.pass(ctx, c.Cols, func(b Block) {
		for i, hi := range b.Indptr[1:] {
			clear(sums)
			for p := b.Indptr[i]; p < hi; p++ {
				j := int(b.Indices[p])
				addScaled(sums, float64(b.Values[p]), directions[j*c.K:(j+1)*c.K])
			}
			for k, s := range sums {
				m.Data = append(m.Data, float32(s-origin[k]))
			}
		}
	})
	m.Rows = n
	return m, err
}

// covarianceOf returns the mean of each column, the covariance of each pair, and
// the number of rows.
func covarianceOf(ctx context.Context, rows Source, cols, threads int) (mean []float64, covariance *symmetric, n int, err error) {
	products := make([]float64, cols*cols) // the upper triangle
	mean = make([]float64, cols)
	n, err = rows.pass(ctx, cols, func(b Block) {
		for k, v := range b.Values[:b.Indptr[len(b.Indptr)-1]] {
			mean[b.Indices[k]] += float64(v)
		}
		b.addProducts(products, cols, threads)
	})
	if err != nil {
		return nil, nil, 0, err
	}
	if n < 2 {
		return mean, &symmetric{n: cols, data: products, threads: threads}, n, nil
	}
	for j := range mean {
		mean[j] /= float64(n)
	}
	for i := range cols {
		for j := i; j < cols; j++ {
			centred := products[i*cols+j] - float64(float64(float64(n)*mean[i])*mean[j])
			products[i*cols+j] = centred / float64(n-1)
			products[j*cols+i] = products[i*cols+j]
		}
	}
	return mean, &symmetric{n: cols, data: products, threads: threads}, n, nil
}

// addProducts adds the products of each pair of a row's values, the pair's
// columns ascending. A product of two numbers of 32 bits is exact in 64.
func (b Block) addProducts(products []float64, cols, threads int) {
	// A part takes the pairs whose first column is its own. As many columns
	// from the front of the triangle as from its end make parts equal.
	half := (cols + 1) / 2
	parallel(threads, half, func(from, to int) {
		b.addColumns(products, cols, from, to)
		b.addColumns(products, cols, max(cols-to, half), cols-from)
	})
}

// addColumns is addProducts for pairs whose first column is from … to-1.
func (b Block) addColumns(products []float64, cols, from, to int) {
	for i, hi := range b.Indptr[1:] {
		lo := b.Indptr[i]
		indices, values := b.Indices[lo:hi], b.Values[lo:hi]
		if len(values) == cols { // all of them
			for j := from; j < to; j++ {
				x := float64(values[j])
				row := products[j*cols+j : (j+1)*cols]
				for k, v := range values[j:] {
					row[k] += float64(x * float64(v))
				}
			}
			continue
		}
		for p, j := range indices {
			if int(j) < from {
				continue
			}
			if int(j) >= to {
				break
			}
			x := float64(values[p])
			row := products[int(j)*cols : (int(j)+1)*cols]
			for q := p; q < len(indices); q++ {
				row[indices[q]] += float64(x * float64(values[q]))
			}
		}
	}
}
