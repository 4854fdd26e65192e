package computetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// testAttendInputs compares with the formula in float64, and with itself on
// single cells.
func testAttendInputs(t *testing.T, c Config) {
	dev, _ := c.pair(t)
	attender, ok := dev.Device.(compute.InputAttender)
	if !ok {
		t.Skip("the device is no InputAttender")
	}
	for _, s := range []struct {
		lengths  []int
		d, heads int
	}{{[]int{1}, 4, 1}, {[]int{3, 1, 40}, 12, 3}, {[]int{130, 14, 61}, 64, 8}, {[]int{700}, 33, 2}} {
		t.Run(fmt.Sprintf("%v %d/%d", s.lengths, s.d, s.heads), func(t *testing.T) {
			n, cells, width := total(s.lengths), len(s.lengths), s.heads*s.d
			x, asked := numbers(1, n*s.d, 1), numbers(2, cells*width, 1)
			scale := float32(1 / math.Sqrt(float64(s.d)))
			run := func(asked, x []float32, lengths ...int) []float32 {
				dst := dev.tensor(len(lengths), width)
				require.NoError(t, attender.AttendInputs(dev.ctx, dst, dev.upload(len(lengths), width, asked), dev.upload(total(lengths), s.d, x), dev.layout(lengths...), scale))
				return dev.read(dst)
			}
			got := run(asked, x, s.lengths...)
			want := make([]float32, cells*width)
			first := 0
			for cell, length := range s.lengths {
				rows := x[first*s.d : (first+length)*s.d]
				var inputs [][]float32
				for i := range length {
					inputs = append(inputs, rows[i*s.d:(i+1)*s.d])
				}
				for h := range s.heads {
					at := cell*width + h*s.d
					// One head as wide as the inputs divides by √d itself.
					attend(want[at:at+s.d], asked[at:at+s.d], inputs, inputs, 1)
				}
				requireSameBits(t, got[cell*width:(cell+1)*width], run(asked[cell*width:(cell+1)*width], rows, length), fmt.Sprintf("cell %d alone", cell))
				first += length
			}
			c.requireClose(t, want, got, 8)
		})
	}

	dst, asked, x, l := dev.tensor(2, 12), dev.tensor(2, 12), dev.tensor(5, 4), dev.layout(3, 2)
	for name, run := range map[string]func() error{
		"other cells":  func() error { return attender.AttendInputs(dev.ctx, dst, dev.tensor(3, 12), x, l, 1) },
		"other tokens": func() error { return attender.AttendInputs(dev.ctx, dst, asked, dev.tensor(6, 4), l, 1) },
		"other width":  func() error { return attender.AttendInputs(dev.ctx, dst, asked, dev.tensor(5, 5), l, 1) },
		"destination":  func() error { return attender.AttendInputs(dev.ctx, dev.tensor(2, 8), asked, x, l, 1) },
		"in place":     func() error { return attender.AttendInputs(dev.ctx, asked, asked, x, l, 1) },
		"scale":        func() error { return attender.AttendInputs(dev.ctx, dst, asked, x, l, float32(math.NaN())) },
		"nil":          func() error { return attender.AttendInputs(dev.ctx, dst, asked, nil, l, 1) },
		"freed": func() error {
			y := dev.tensor(5, 4)
			y.Free()
			return attender.AttendInputs(dev.ctx, dst, asked, y, l, 1)
		},
	} {
		var shape *compute.ShapeError
		require.ErrorAs(t, run(), &shape, name)
	}
	requireEnds(t, dev, func(b *bench) error { return attender.AttendInputs(b.ctx, dst, asked, x, l, 1) })
}

// requireEnds holds an operation to the context's cause.
func requireEnds(t testing.TB, dev *bench, op func(b *bench) error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(dev.ctx)
	cause := errors.New("stop")
	cancel(cause)
	ended := *dev
	ended.ctx = ctx
	require.ErrorIs(t, op(&ended), cause)
}
