package report

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/projection"
)

// MaxPoints is the largest number of cells that are drawn; of more, cells evenly
// spaced over the file are. Counts and scores are of all cells.
const MaxPoints = 100_000

// components is how many principal components are the input of UMAP, where an
// embedding has more dimensions: scanpy's default.
const components = 50

// Drawn returns the numbers of the cells that are drawn, of n: all, or [MaxPoints]
// evenly spaced ones.
func Drawn(n int) []int {
	cells := make([]int, min(n, MaxPoints))
	for i := range cells {
		cells[i] = i * n / len(cells)
	}
	return cells
}

// layout is a way to arrange the cells in two dimensions.
type layout struct {
	Name string `json:"name"`
	// Note says what was done, in half a sentence.
	Note string `json:"note"`
	// Width and Height are the sides of what is laid out; the longer is 1.
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
	// Points holds x and y of each cell in a square of side 65535, as a base64
	// text of numbers of 16 bits, little-endian.
	Points string `json:"points"`
}

// layouts arranges the cells of an embedding.
func layouts(ctx context.Context, embedding neighbors.Matrix, threads int) ([]layout, error) {
	x := embedding
	plane := neighbors.Matrix{Data: make([]float32, 2*x.Rows), Rows: x.Rows, Cols: 2}
	if x.Rows > 1 {
		k := min(components, x.Cols, x.Rows)
		c, err := projection.PCA(ctx, projection.Dense(x), x.Cols, k, projection.Options{Threads: threads})
		if err != nil {
			return nil, err
		}
		scores, err := c.Transform(ctx, projection.Dense(x))
		if err != nil {
			return nil, err
		}
		for i := range x.Rows {
			copy(plane.Data[2*i:2*i+2], scores.Row(i))
		}
		if x.Cols > components {
			x = scores
		}
	}
	umap, err := projection.UMAP(ctx, x, projection.UMAPOptions{Threads: threads})
	if err != nil {
		return nil, err
	}
	note := "15 neighbours, min_dist 0.5, seed 0"
	if embedding.Cols > x.Cols {
		note = "of 50 principal components; " + note
	}
	return []layout{
		newLayout("UMAP", note, turned(umap.Data)),
		newLayout("PCA", "the first two principal components", plane.Data),
	}, nil
}

// turned rotates points so that they fill a picture of 4 to 3 as well as they can:
// the axes of a UMAP mean nothing.
func turned(points []float32) []float32 {
	const steps = 36 // of half a turn
	best, most := points, 0.0
	for step := range steps {
		sin, cos := math.Sincos(math.Pi * float64(step) / steps)
		at := make([]float32, len(points))
		for i := 0; i < len(points); i += 2 {
			x, y := float64(points[i]), float64(points[i+1])
			at[i], at[i+1] = float32(cos*x-sin*y), float32(sin*x+cos*y)
		}
		low, high := bounds(at)
		if size := min(4/(high[0]-low[0]), 3/(high[1]-low[1])); size > most && !math.IsInf(size, 1) {
			best, most = at, size
		}
	}
	return best
}

// bounds returns the least and the greatest of each coordinate.
func bounds(points []float32) (low, high [2]float64) {
	for axis := range 2 {
		low[axis], high[axis] = math.Inf(1), math.Inf(-1)
		for i := axis; i < len(points); i += 2 {
			low[axis], high[axis] = min(low[axis], float64(points[i])), max(high[axis], float64(points[i]))
		}
	}
	return low, high
}

// newLayout scales coordinates to 16 bits, both axes alike.
func newLayout(name, note string, points []float32) layout {
	low, high := bounds(points)
	size := max(high[0]-low[0], high[1]-low[1])
	values := make([]uint16, len(points))
	for i, v := range points {
		axis := i % 2
		place := 0.5
		if size > 0 {
			// In the middle of the square, on the axis that is shorter.
			place += (float64(v) - (low[axis]+high[axis])/2) / size
		}
		values[i] = uint16(math.Round(place * math.MaxUint16))
	}
	l := layout{Name: name, Note: note, Width: 1, Height: 1, Points: encode(values)}
	if size > 0 {
		l.Width, l.Height = max(0.02, (high[0]-low[0])/size), max(0.02, (high[1]-low[1])/size)
	}
	return l
}

// encode gives numbers as a base64 text.
func encode(values []uint16) string {
	bytes := make([]byte, 0, 2*len(values))
	for _, v := range values {
		bytes = binary.LittleEndian.AppendUint16(bytes, v)
	}
	return base64.StdEncoding.EncodeToString(bytes)
}
