package computetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

func testAddLayerNorm(t *testing.T, c Config) {
	dev, judge := c.pair(t)
	const rows = 67
	for _, cols := range []int{1, 2, 7, 8, 15, 16, 17, 63, 64, 65, 130, 512, 513} {
		for _, mode := range []string{"a", "a+b", "a+b in a", "a+b in b", "a in a"} {
			t.Run(fmt.Sprintf("%d %s", cols, mode), func(t *testing.T) {
				a, b := numbers(1, rows*cols, 3), numbers(2, rows*cols, 1)
				for i := range cols {
					a[i], b[i] = 5, -2 // a row without variance
				}
				gamma, beta := numbers(3, cols, 1), numbers(4, cols, 1)
				run := func(d *bench) []float32 {
					x, y, dst := d.upload(rows, cols, a), d.upload(rows, cols, b), d.tensor(rows, cols)
					switch mode {
					case "a":
						y = nil
					case "a in a":
						y, dst = nil, x
					case "a+b in a":
						dst = x
					case "a+b in b":
						dst = y
					}
					norm := compute.Norm{Gamma: d.upload(1, cols, gamma), Beta: d.upload(1, cols, beta), Eps: 1e-5}
					require.NoError(t, d.AddLayerNorm(t.Context(), dst, x, y, norm))
					return d.read(dst)
				}
				// Two or three columns may lie close together: then
				// the difference of large numbers is divided by a
				// small one.
				size := 16.0
				if cols < 8 {
					size = 3000
				}
				c.requireClose(t, run(judge), run(dev), size)
			})
		}
	}
}

func testNormalize(t *testing.T, c Config) {
	dev, judge := c.pair(t)
	const rows = 67
	for _, cols := range []int{1, 7, 64, 130} {
		for _, inPlace := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d in place=%v", cols, inPlace), func(t *testing.T) {
				src, mean, scale, shift := numbers(1, rows*cols, 1), numbers(2, cols, 1), numbers(3, cols, 1), numbers(4, cols, 1)
				run := func(d *bench) []float32 {
					x := d.upload(rows, cols, src)
					dst := x
					if !inPlace {
						dst = d.tensor(rows, cols)
					}
					require.NoError(t, d.Normalize(t.Context(), dst, x, d.upload(1, cols, mean), d.upload(1, cols, scale), d.upload(1, cols, shift)))
					return d.read(dst)
				}
				c.requireClose(t, run(judge), run(dev), 32)
			})
		}
	}
}

func testEmbed(t *testing.T, c Config) {
	dev, judge := c.pair(t)
	const rows = 150
	for _, cols := range []int{1, 7, 64, 130} {
		for _, mode := range []string{"plain", "values", "scale"} {
			t.Run(fmt.Sprintf("%d %s", cols, mode), func(t *testing.T) {
				genes, values := numbers(1, 40*cols, 1), numbers(2, 5*cols, 1)
				ids, bins, scale := indices(3, rows, 40), indices(4, rows, 5), numbers(5, rows, 3)
				ids[0], ids[1], bins[0], bins[1] = 0, 39, 0, 4
				idsBefore, binsBefore := slices.Clone(ids), slices.Clone(bins)
				run := func(d *bench) []float32 {
					e := compute.Embedding{Table: d.upload(40, cols, genes), IDs: ids}
					switch mode {
					case "values":
						e.Values, e.Rows = d.upload(5, cols, values), bins
					case "scale":
						e.Scale = scale
					}
					dst := d.tensor(rows, cols)
					require.NoError(t, d.Embed(t.Context(), dst, e))
					return d.read(dst)
				}
				c.requireStored(t, run(judge), run(dev), "Embed")
				require.Equal(t, idsBefore, ids)
				require.Equal(t, binsBefore, bins)
			})
		}
	}
}

func testRead(t *testing.T, c Config) {
	dev, _ := c.pair(t)
	for _, s := range []struct{ rows, cols int }{{0, 3}, {1, 1}, {3, 5}, {200, 33}} {
		data := numbers(1, s.rows*s.cols, 1)
		before := slices.Clone(data)
		x := dev.upload(s.rows, s.cols, data)
		clear(data) // the device has its own copy
		requireSameBits(t, before, dev.read(x), "Upload and Read")
		x.Free()
		x.Free()
	}
	// Memory of freed tensors is used again, whatever it held.
	for range 50 {
		x := dev.upload(100, 10, numbers(2, 1000, 1))
		y := dev.tensor(100, 10)
		ids := indices(3, 100, 100)
		require.NoError(t, dev.Embed(t.Context(), y, compute.Embedding{Table: x, IDs: ids}))
		got := dev.read(y)
		for i, id := range ids {
			requireSameBits(t, numbers(2, 1000, 1)[id*10:id*10+10], got[i*10:i*10+10], "after reuse")
		}
		x.Free()
		y.Free()
	}
}
