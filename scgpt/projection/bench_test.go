package projection_test

import (
	"fmt"
	"testing"

	"github.com/seed-ab6af24b/troupe/scgpt/neighbors"
	"github.com/seed-ab6af24b/troupe/scgpt/projection"
)

// kinds returns cells of a number of kinds, as embeddings have them: a few
// directions in which kinds differ, and noise.
func kinds(rows, cols, kinds int) neighbors.Matrix {
	centres, m := normal(9, kinds, cols), normal(10, rows, cols)
	for i := range rows {
		centre := centres.Row(i * 7 % kinds)
		for j := range m.Row(i) {
			m.Row(i)[j] = 0.3*m.Row(i)[j] + centre[j]
		}
	}
	return m
}

func BenchmarkPCA(b *testing.B) {
	for _, size := range []struct{ rows, cols, k int }{{10000, 512, 50}, {500, 2000, 50}} {
		b.Run(fmt.Sprintf("dense/rows=%d/cols=%d/k=%d", size.rows, size.cols, size.k), func(b *testing.B) {
			x := projection.Dense(kinds(size.rows, size.cols, 12))
			for b.Loop() {
				if _, err := projection.PCA(b.Context(), x, size.cols, size.k, projection.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUMAP(b *testing.B) {
	for _, cells := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("cells=%d", cells), func(b *testing.B) {
			x := kinds(cells, 50, 12)
			for b.Loop() {
				if _, err := projection.UMAP(b.Context(), x, projection.UMAPOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
