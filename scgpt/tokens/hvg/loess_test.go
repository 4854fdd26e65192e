package hvg

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLoess holds fitted values against those of scikit-misc.
func TestLoess(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/loess.json")
	require.NoError(t, err)
	var curves []struct {
		Span         float64
		X, Y, Fitted []float64
	}
	require.NoError(t, json.Unmarshal(b, &curves))
	require.NotEmpty(t, curves)
	for _, c := range curves {
		fitted, singular, err := loess(c.X, c.Y, c.Span)
		require.NoError(t, err)
		require.Zero(t, singular)
		for i, want := range c.Fitted {
			require.InDelta(t, want, fitted[i], 1e-11*max(1, math.Abs(want)), "%d points, span %v, point %d", len(c.X), c.Span, i)
		}
	}
}

// A quadratic curve is fitted exactly where the cubic between two vertices is
// that curve itself.
func TestLoessOfParabola(t *testing.T) {
	t.Parallel()
	var x, y []float64
	for i := range 200 {
		v := float64(i*37%200) / 10
		x = append(x, v)
		y = append(y, 3-2*v+0.5*v*v)
	}
	fitted, singular, err := loess(x, y, 0.3)
	require.NoError(t, err)
	require.Zero(t, singular)
	require.InDeltaSlice(t, y, fitted, 1e-9)
}

func TestLoessFails(t *testing.T) {
	t.Parallel()
	same := make([]float64, 100)
	_, _, err := loess(same, same, 0.3)
	require.ErrorIs(t, err, errOnePlace)
	_, _, err = loess(same[:13], same[:13], 0.3)
	require.ErrorIs(t, err, errFewPoints)
	_, _, err = loess(nil, nil, 0.3)
	require.ErrorIs(t, err, errFewPoints)
}

// Two places do not determine a parabola.
func TestLoessSingular(t *testing.T) {
	t.Parallel()
	var x, y []float64
	for i := range 100 {
		x = append(x, float64(i%2))
		y = append(y, 5+float64(i%2))
	}
	fitted, singular, err := loess(x, y, 1)
	require.NoError(t, err)
	require.Positive(t, singular)
	for i := range fitted {
		require.InDelta(t, y[i], fitted[i], 1e-6)
	}
}

func TestMeanBins(t *testing.T) {
	t.Parallel()
	var means []float64
	for i := range 101 {
		means = append(means, float64(i))
	}
	bins := meanBins(means)
	require.Equal(t, 0, bins[10])
	require.Equal(t, 1, bins[11])
	require.Equal(t, 1, bins[15])
	require.Equal(t, 18, bins[100])
	// Edges that coincide make one bin.
	require.Equal(t, []int{0, 0, 0, 0}, meanBins([]float64{2, 2, 2, 2}))
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 1.25, quantile([]float64{1, 2}, 0.25), 0)
	require.InDelta(t, 1.75, quantile([]float64{1, 2}, 0.75), 0)
	require.InDelta(t, 2, quantile([]float64{1, 2}, 1), 0)
	require.InDelta(t, 2.5, median([]float64{4, 1, 3, 2}), 0)
	require.InDelta(t, 3, median([]float64{4, 1, 3}), 0)
	require.True(t, math.IsNaN(median(nil)))
}
