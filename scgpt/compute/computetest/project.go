package computetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// testProject compares with Linear on the whole table.
func testProject(t *testing.T, c Config) {
	dev, _ := c.pair(t)
	projector, ok := dev.Device.(compute.Projector)
	if !ok {
		t.Skip("the device is no Projector")
	}
	const rows, in = 300, 40
	for _, out := range []int{1, 70, 120} {
		table, w := dev.upload(rows, in, numbers(1, rows*in, 1)), dev.matrix(out, in, numbers(2, out*in, 1))
		whole := dev.tensor(rows, out)
		require.NoError(t, dev.Linear(dev.ctx, whole, table, w, nil, compute.Identity))
		want := dev.read(whole)
		values := numbers(3, 5*out, 1)
		projected, err := projector.Project(table, w)
		require.NoError(t, err)
		require.Equal(t, rows, projected.Rows())
		require.Equal(t, out, projected.Cols())
		for seed, n := range []int{0, 1, 7, 250, 700, 3} {
			ids, bins := indices(uint64(seed), n, rows), indices(uint64(10+seed), n, 5)
			dst := dev.tensor(n, out)
			embed := func(e compute.Embedding) []float32 {
				require.NoError(t, dev.Embed(dev.ctx, dst, e))
				return dev.read(dst)
			}
			plain := embed(compute.Embedding{Table: projected, IDs: ids})
			requireSameBits(t, embed(compute.Embedding{Table: whole, IDs: ids}), plain, fmt.Sprintf("%d of %d columns", n, out))
			for i, id := range ids {
				requireSameBits(t, want[int(id)*out:(int(id)+1)*out], plain[i*out:(i+1)*out], fmt.Sprintf("row %d", id))
			}
			v := dev.upload(5, out, values)
			requireSameBits(t, embed(compute.Embedding{Table: whole, IDs: ids, Values: v, Rows: bins}),
				embed(compute.Embedding{Table: projected, IDs: ids, Values: v, Rows: bins}), "with values")
		}
		requireEnds(t, dev, func(b *bench) error {
			return b.Embed(b.ctx, b.tensor(2, out), compute.Embedding{Table: projected, IDs: []int32{0, 1}})
		})
		var shape *compute.ShapeError
		require.ErrorAs(t, dev.Read(dev.ctx, make([]float32, rows*out), projected), &shape, "no operation but Embed takes it")
		require.ErrorAs(t, dev.Embed(dev.ctx, dev.tensor(1, out), compute.Embedding{Table: projected, IDs: []int32{rows}}), &shape)
		projected.Free()
		projected.Free()
		require.ErrorAs(t, dev.Embed(dev.ctx, dev.tensor(1, out), compute.Embedding{Table: projected, IDs: []int32{0}}), &shape)
	}
	table, w := dev.tensor(3, 4), dev.matrix(2, 5, make([]float32, 10))
	for name, run := range map[string]func() (compute.Tensor, error){
		"widths":     func() (compute.Tensor, error) { return projector.Project(table, w) },
		"no table":   func() (compute.Tensor, error) { return projector.Project(nil, w) },
		"no weights": func() (compute.Tensor, error) { return projector.Project(table, nil) },
		"freed": func() (compute.Tensor, error) {
			x := dev.tensor(3, 5)
			x.Free()
			return projector.Project(x, w)
		},
	} {
		var shape *compute.ShapeError
		_, err := run()
		require.ErrorAs(t, err, &shape, name)
	}
	other, _ := c.pair(t)
	_, err := projector.Project(other.tensor(3, 5), w)
	var shape *compute.ShapeError
	require.ErrorAs(t, err, &shape, "a table of another device")
}
