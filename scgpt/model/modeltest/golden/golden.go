// Package golden reads the goldens of testdata/goldens, outputs of the reference
// implementation in fp32, for tests; see their manifest.json.
package golden

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/checkpoint/safetensors"
	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

// File is an open file of goldens. Its methods fail the test when a tensor is
// not there.
type File struct {
	t    testing.TB
	file *safetensors.File
}

// Open opens goldens by name in the folder testdata until the test ends.
func Open(t testing.TB, testdata, name string) File {
	t.Helper()
	f, err := safetensors.Open(filepath.Join(testdata, "goldens", name+".safetensors"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return File{t, f}
}

// Floats returns a tensor of numbers.
func (g File) Floats(name string) []float32 {
	g.t.Helper()
	t, ok := g.file.Tensor(name)
	require.True(g.t, ok, name)
	values, err := t.Float32()
	require.NoError(g.t, err)
	return values
}

// IDs returns a tensor of token ids.
func (g File) IDs(name string) []int32 {
	g.t.Helper()
	t, ok := g.file.Tensor(name)
	require.True(g.t, ok, name)
	values, err := t.Int64()
	require.NoError(g.t, err)
	ids := make([]int32, len(values))
	for i, v := range values {
		ids[i] = int32(v)
	}
	return ids
}

// Rows returns the number of rows of a tensor.
func (g File) Rows(name string) int {
	g.t.Helper()
	t, ok := g.file.Tensor(name)
	require.True(g.t, ok, name)
	return t.Shape[0]
}

// Unpadded packs padded rows of tokens; keep has the index of each kept token
// in the padded array.
func Unpadded(rows int, ids []int32, values []float32, pad int32) (b tokens.Packed, keep []int) {
	width := len(ids) / rows
	b.Offsets = []int32{0}
	for r := range rows {
		for i := r * width; i < (r+1)*width; i++ {
			if ids[i] != pad {
				b.IDs = append(b.IDs, ids[i])
				b.Values = append(b.Values, values[i])
				keep = append(keep, i)
			}
		}
		b.Offsets = append(b.Offsets, int32(len(b.IDs)))
	}
	return b, keep
}

// Pick returns the elements of x at some places.
func Pick(x []float32, at []int) []float32 {
	out := make([]float32, len(at))
	for i, j := range at {
		out[i] = x[j]
	}
	return out
}

// RequireClose compares numbers with an absolute tolerance.
func RequireClose(t testing.TB, want, got []float32, tolerance float64, what string) {
	t.Helper()
	require.Len(t, got, len(want), what)
	worst, at := 0.0, 0
	for i, w := range want {
		diff := float64(w) - float64(got[i])
		if diff < 0 {
			diff = -diff
		}
		if !(diff <= worst) {
			worst, at = diff, i
		}
	}
	if len(want) > 0 {
		require.LessOrEqual(t, worst, tolerance, "%s[%d] = %v, want %v", what, at, got[at], want[at])
	}
	t.Logf("%s: %d numbers, largest difference %.2g", what, len(want), worst)
}
