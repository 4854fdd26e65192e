package tokens_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

func TestPackedAdd(t *testing.T) {
	t.Parallel()
	one := tokens.Packed{IDs: []int32{9, 1}, Values: []float32{0, 5}, Offsets: []int32{0, 2}}
	two := tokens.Packed{IDs: []int32{9, 9, 2, 3}, Values: []float32{0, 0, 7, 8}, Offsets: []int32{0, 1, 4}}
	var p tokens.Packed
	p.Add(tokens.Packed{})
	require.Equal(t, tokens.Packed{}, p)
	p.Add(one)
	require.Equal(t, one, p)
	p.Add(two)
	require.Equal(t, tokens.Packed{
		IDs: []int32{9, 1, 9, 9, 2, 3}, Values: []float32{0, 5, 0, 0, 7, 8}, Offsets: []int32{0, 2, 3, 6},
	}, p)
	p.Add(tokens.Packed{Offsets: []int32{0}})
	require.Equal(t, 3, p.Cells())
	p.Reset()
	require.Zero(t, p.Cells())
	p.Add(one)
	require.Equal(t, one, p)
}
