package tokens_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

func TestBin(t *testing.T) {
	t.Parallel()
	x := []float32{0, 1, 2, 0, 3, -1}
	digits, err := tokens.Bin(x, 4, 0)
	require.NoError(t, err)
	// Edges of -1, 1, 2, 3 at 0, 1/2 and 1 are -1, 1.5 and 3.
	require.Equal(t, []float32{0, 1, 2, 0, 3, 1}, digits)

	digits, err = tokens.Bin(nil, 51, 0.5)
	require.NoError(t, err)
	require.Empty(t, digits)
	digits, err = tokens.Bin([]float32{0, 0}, 51, 0.5)
	require.NoError(t, err)
	require.Equal(t, []float32{0, 0}, digits)
}

func TestBinRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		x    []float32
		bins int
		draw float64
		want string
	}{
		"NaN":      {[]float32{1, float32(math.NaN())}, 51, 0, "value 1 is NaN"},
		"infinite": {[]float32{float32(math.Inf(1))}, 51, 0, "value 0 is +Inf"},
		"bins":     {nil, 2, 0, "2 bins"},
		"draw 1":   {nil, 51, 1, "a draw of 1"},
		"draw NaN": {nil, 51, math.NaN(), "a draw of NaN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tokens.Bin(tc.x, tc.bins, tc.draw)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// Bins follow the order of values, equal values share one, and a change of
// scale that rounds nothing changes none.
func FuzzBin(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 200, 1, 1, 1}, uint8(51))
	f.Add([]byte{0, 0, 7}, uint8(3))
	f.Add([]byte("\f00"), uint8(100)) // an edge that falls a rounding short of a value
	f.Fuzz(func(t *testing.T, data []byte, bins uint8) {
		if bins < 3 {
			return
		}
		x, y := make([]float32, len(data)), make([]float32, len(data))
		for i, b := range data {
			x[i], y[i] = float32(b), 4*float32(b)
		}
		left, err := tokens.Bin(x, int(bins), 0)
		require.NoError(t, err)
		mid, err := tokens.Bin(x, int(bins), 0.5)
		require.NoError(t, err)
		scaled, err := tokens.Bin(y, int(bins), 0.5)
		require.NoError(t, err)
		require.Equal(t, mid, scaled)
		for i := range x {
			if (x[i] == 0) != (mid[i] == 0) || mid[i] > left[i] || left[i] >= float32(bins) {
				t.Fatalf("value %v has bins %v and %v of %d", x[i], mid[i], left[i], bins)
			}
			for j := range i {
				if x[i] == x[j] && mid[i] != mid[j] || x[i] < x[j] && (left[i] > left[j] || mid[i] > mid[j]) {
					t.Fatalf("values %v and %v have bins %v and %v", x[i], x[j], mid[i], mid[j])
				}
			}
		}
	})
}
