package neighbors_test

import (
	"fmt"
	"testing"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
)

func BenchmarkSearch(b *testing.B) {
	for _, size := range []struct{ queries, refs, cols int }{{2000, 20000, 64}, {1000, 10000, 512}} {
		b.Run(fmt.Sprintf("queries=%d/refs=%d/cols=%d", size.queries, size.refs, size.cols), func(b *testing.B) {
			queries, refs := normal(1, size.queries, size.cols), normal(2, size.refs, size.cols)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := neighbors.Search(b.Context(), queries, refs, 10, neighbors.Options{}); err != nil {
					b.Fatal(err)
				}
			}
			flops := 2 * float64(size.queries) * float64(size.refs) * float64(size.cols) * float64(b.N)
			b.ReportMetric(flops/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

func BenchmarkClusters(b *testing.B) {
	for _, cells := range []int{2000, 20000} {
		b.Run(fmt.Sprintf("cells=%d", cells), func(b *testing.B) {
			g, _ := planted(b, cells, 8, 15)
			for b.Loop() {
				if _, err := neighbors.Clusters(b.Context(), g, neighbors.ClusterOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
