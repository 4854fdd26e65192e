package projection

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

// The curve 1/(1 + a·d^2b) that turns a distance in the layout into a degree.
// a and b fit it to one that is 1 up to a distance of 0.5 and falls as e^-x beyond
// it: umap-learn's find_ab_params(spread=1, min_dist=0.5).
const (
	curveA = 0.5830300205483709
	curveB = 1.3341669924314954
)

const (
	// negativeSamples is how many cells push a cell away for each time that a
	// partner pulls it.
	negativeSamples = 5
	// longestStep bounds the change of a coordinate at a learning rate of 1.
	longestStep = 4
	// side is that of the square in which the layout starts.
	side = 10
)

// layout holds the coordinates of the cells, two for each.
type layout struct {
	points []float64
	random *rand.PCG
}

// newLayout starts with the two principal components, spread over a square, and
// a little noise, which tells equal cells apart.
func newLayout(ctx context.Context, x neighbors.Matrix, options UMAPOptions) (*layout, error) {
	k := min(2, x.Cols)
	c, err := PCA(ctx, Dense(x), x.Cols, k, Options{Threads: options.Threads})
	if err != nil {
		return nil, err
	}
	scores, err := c.Transform(ctx, Dense(x))
	if err != nil {
		return nil, err
	}
	l := &layout{points: make([]float64, 2*x.Rows), random: rand.NewPCG(options.Seed, 2)}
	for axis := range k {
		low, high := math.Inf(1), math.Inf(-1)
		for i := range x.Rows {
			v := float64(scores.Data[i*k+axis])
			low, high = min(low, v), max(high, v)
		}
		for i := range x.Rows {
			if high > low {
				l.points[2*i+axis] = float64(side*(float64(scores.Data[i*k+axis])-low)) / (high - low)
			}
		}
	}
	for i := range l.points {
		l.points[i] += float64(1e-4 * uniform(l.random))
	}
	return l, nil
}

// edge is a pair of cells, of which one is pulled to the other and the other to
// the one, every so many epochs.
type edge struct {
	cell, partner int32
	every         float64
	// next is the epoch at which it is due, nextPush that of its next
	// negative sample.
	next, nextPush float64
}

// edges lists the pairs that are due at least once in so many epochs, each as
// often as its degree says.
func (s *fuzzySet) edges(epochs int) []edge {
	greatest := 0.0
	for _, d := range s.degrees {
		greatest = max(greatest, d)
	}
	var list []edge
	for i := range len(s.starts) - 1 {
		for p := s.starts[i]; p < s.starts[i+1]; p++ {
			every := greatest / s.degrees[p]
			if every > float64(epochs) {
				continue
			}
			list = append(list, edge{
				cell: int32(i), partner: s.partners[p], every: every,
				next: every, nextPush: every / negativeSamples,
			})
		}
	}
	return list
}

// improve moves the cells by stochastic gradient descent, with steps that become
// shorter from epoch to epoch.
func (l *layout) improve(ctx context.Context, s *fuzzySet, epochs int) error {
	edges := s.edges(epochs)
	pull, push := newForces()
	n := uint64(len(l.points) / 2)
	for epoch := range epochs {
		if err := ctx.Err(); err != nil {
			return err
		}
		now := float64(epoch)
		rate := 1 - now/float64(epochs)
		for e := range edges {
			g := &edges[e]
			if g.next > now {
				continue
			}
			a, b := l.points[2*g.cell:2*g.cell+2:2*g.cell+2], l.points[2*g.partner:2*g.partner+2:2*g.partner+2]
			dx, dy := a[0]-b[0], a[1]-b[1]
			force := pull.at(float64(dx*dx) + float64(dy*dy))
			dx, dy = step(force, dx, rate), step(force, dy, rate)
			x, y := a[0]+dx, a[1]+dy
			b[0] -= dx
			b[1] -= dy
			g.next += g.every

			every := g.every / negativeSamples
			samples := int((now - g.nextPush) / every)
			g.nextPush += float64(float64(samples) * every)
			for range samples {
				// 32 bits are enough for a choice among cells.
				other := l.random.Uint64() >> 32 * n >> 32
				dx, dy := x-l.points[2*other], y-l.points[2*other+1]
				square := float64(dx*dx) + float64(dy*dy)
				if square == 0 {
					continue // itself, or nowhere to go
				}
				force := push.at(square)
				x += step(force, dx, rate)
				y += step(force, dy, rate)
			}
			a[0], a[1] = x, y
		}
	}
	return nil
}

// step is the change of a coordinate that a force makes.
func step(force, difference, rate float64) float64 {
	s := float64(force * difference)
	return float64(max(-longestStep, min(longestStep, s)) * rate)
}

// matrix returns the coordinates, with their mean at 0.
func (l *layout) matrix() neighbors.Matrix {
	n := len(l.points) / 2
	m := neighbors.Matrix{Data: make([]float32, len(l.points)), Rows: n, Cols: 2}
	var mean [2]float64
	for i, v := range l.points {
		mean[i%2] += v / float64(n)
	}
	for i, v := range l.points {
		m.Data[i] = float32(v - mean[i%2])
	}
	return m
}

// forces is a function of the squared distance, as a table with linear
// interpolation: the powers in it would take most of the time. Its error is
// below 1e-3 of the value.
type forces [tableOctaves*tableParts + 1]float64

const (
	tableParts   = 32  // for each power of 2
	tableLowest  = -24 // squared distances from 2^-24, closer ones alike
	tableOctaves = 40  // to 2^16, farther ones alike
)

// newForces returns the force between a cell and its partner, and that between a
// cell and any other, each divided by the difference of their coordinates: the
// derivatives of the paper's cross entropy (appendix C), less the 0.001 that keeps the
// second one finite.
func newForces() (pull, push *forces) {
	pull, push = new(forces), new(forces)
	for i := range pull {
		square := math.Ldexp(1+float64(i%tableParts)/tableParts, tableLowest+i/tableParts)
		p := power(square, curveB)
		curve := 1 + float64(curveA*p)
		pull[i] = float64(-2*curveA*curveB*p) / float64(square*curve)
		push[i] = 2 * curveB / float64((0.001+square)*curve)
	}
	return pull, push
}

// at returns the value at a squared distance.
func (f *forces) at(square float64) float64 {
	// The exponent and the first bits of the mantissa are the index, the other
	// bits the place between two entries.
	const (
		shift = 52 - 5 // of tableParts
		first = (1023 + tableLowest) * tableParts
	)
	bits := math.Float64bits(square)
	i := int(bits>>shift) - first
	switch {
	case i < 0:
		return f[0]
	case i >= len(f)-1:
		return f[len(f)-1]
	}
	part := float64(bits&(1<<shift-1)) * (1.0 / (1 << shift))
	return f[i] + float64(part*(f[i+1]-f[i]))
}
