package tokens_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

func TestPackedAddCell(t *testing.T) {
	t.Parallel()
	one := tokens.Packed{IDs: []int32{9, 1}, Values: []float32{0, 5}, Offsets: []int32{0, 2}}
	two := tokens.Packed{IDs: []int32{9, 9, 2, 3}, Values: []float32{0, 0, 7, 8}, Offsets: []int32{0, 1, 4}}
	var p tokens.Packed
	p.AddCell(&one, 0)
	require.Equal(t, one, p)
	p.AddCell(&two, 1)
	p.AddCell(&two, 0)
	require.Equal(t, tokens.Packed{
		IDs: []int32{9, 1, 9, 2, 3, 9}, Values: []float32{0, 5, 0, 7, 8, 0}, Offsets: []int32{0, 2, 5, 6},
	}, p)
	require.Equal(t, 3, p.Cells())
	p.Reset()
	require.Zero(t, p.Cells())
	p.AddCell(&one, 0)
	require.Equal(t, one, p)
}
