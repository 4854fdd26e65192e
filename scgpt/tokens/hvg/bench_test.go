package hvg_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/tokens/hvg"
)

// BenchmarkSelect chooses among 20,000 genes of 2,000 cells, each of which
// expresses one in ten.
func BenchmarkSelect(b *testing.B) {
	const genes, cells = 20_000, 2_000
	block := hvg.Block{Indptr: []int64{0}}
	state := uint32(1)
	for range cells {
		for g := range genes {
			state = state*1664525 + 1013904223
			if v := state >> 16; v%10 == 0 {
				block.Indices = append(block.Indices, int32(g))
				block.Values = append(block.Values, float32(1+v%uint32(2+g%50)))
			}
		}
		block.Indptr = append(block.Indptr, int64(len(block.Values)))
	}
	source := func(yield func(hvg.Block) error) error { return yield(block) }
	for _, flavor := range []hvg.Flavor{hvg.SeuratV3, hvg.CellRanger} {
		b.Run(string(flavor), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := hvg.Select(b.Context(), genes, source, hvg.Options{Flavor: flavor, N: 1200})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(len(block.Values))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}
