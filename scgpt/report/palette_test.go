package report

import (
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// views are what is left of linear RGB without the cones for long, medium or short
// wavelengths (Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113,
// severity 1), after normal vision.
var views = map[string][9]float64{
	"normal":       {1, 0, 0, 0, 1, 0, 0, 0, 1},
	"protanopia":   {0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998},
	"deuteranopia": {0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881},
	"tritanopia":   {1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900},
}

func linear(t *testing.T, hex string) [3]float64 {
	t.Helper()
	var out [3]float64
	for i := range out {
		n, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		require.NoError(t, err)
		c := float64(n) / 255
		if c <= 0.04045 {
			out[i] = c / 12.92
		} else {
			out[i] = math.Pow((c+0.055)/1.055, 2.4)
		}
	}
	return out
}

func apply(m [9]float64, v [3]float64) (out [3]float64) {
	for i := range 3 {
		out[i] = m[3*i]*v[0] + m[3*i+1]*v[1] + m[3*i+2]*v[2]
	}
	return out
}

// oklab is the colour in a space where distances are those that people see
// (Ottosson 2020, bottosson.github.io/posts/oklab).
func oklab(rgb [3]float64) [3]float64 {
	for i := range rgb {
		rgb[i] = max(0, min(1, rgb[i]))
	}
	l := apply([9]float64{0.4122214708, 0.5363325363, 0.0514459929, 0.2119034982, 0.6806995451, 0.1073969566, 0.0883024619, 0.2817188376, 0.6299787005}, rgb)
	for i := range l {
		l[i] = math.Cbrt(l[i])
	}
	return apply([9]float64{0.2104542553, 0.7936177850, -0.0040720468, 1.9779984951, -2.4285922050, 0.4505937099, 0.0259040371, 0.7827717662, -0.8086757660}, l)
}

func least(t *testing.T, colours []string, view [9]float64) float64 {
	t.Helper()
	closest := math.Inf(1)
	for i, a := range colours {
		for _, b := range colours[:i] {
			x, y := oklab(apply(view, linear(t, a))), oklab(apply(view, linear(t, b)))
			closest = min(closest, math.Hypot(math.Hypot(x[0]-y[0], x[1]-y[1]), x[2]-y[2]))
		}
	}
	return closest
}

func TestPaletteCanBeToldApart(t *testing.T) {
	t.Parallel()
	// Matplotlib's, which the comment on palette compares with.
	usual := []string{"#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"}
	worst := math.Inf(1)
	for name, view := range views {
		distance := least(t, palette, view)
		// A difference of 0.02 is one that people just see.
		require.Greater(t, distance, 0.09, name)
		worst = min(worst, least(t, usual, view))
	}
	require.InDelta(t, 0.007, worst, 0.001)

	luminance := func(hex string) float64 {
		c := linear(t, hex)
		return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
	}
	contrast := func(a, b string) float64 {
		x, y := luminance(a), luminance(b)
		return (max(x, y) + 0.05) / (min(x, y) + 0.05)
	}
	for _, c := range append([]string{neutral}, palette...) {
		require.Greater(t, contrast(c, "#ffffff"), 1.7, c)
		require.Greater(t, contrast(c, "#14181d"), 2.2, c)
	}
}

func TestKindsOfHaveALookOfTheirOwn(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range len(palette) * markers {
		names = append(names, strconv.Itoa(i))
	}
	seen := map[[2]int]bool{}
	for _, k := range kindsOf(append(names, unassigned)) {
		seen[[2]int{k.Colour, k.Marker}] = true
	}
	require.Len(t, seen, len(names)+1)
}

func TestSteps(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{-1: "q0", 0: "q0", 0.024: "q0", 0.026: "q1", 0.5: "q10", 1: "q20", 7: "q20"} {
		require.Equal(t, want, stepClass(value))
	}
	for value, want := range map[float64]string{-2: "d0", -1: "d0", 0: "d10", 0.5: "d15", 1: "d20"} {
		require.Equal(t, want, divergingClass(value))
	}
}
