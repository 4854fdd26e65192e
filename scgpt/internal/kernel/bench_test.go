package kernel

import (
	"fmt"
	"testing"
)

// BenchmarkGemm runs some of the largest tiles on data in the nearest caches.
func BenchmarkGemm(b *testing.B) {
	const tiles = 8
	for _, s := range Sets() {
		for _, k := range []int{64, 512} {
			b.Run(fmt.Sprintf("%s/%s/k=%d", s.Name, s.Precision, k), func(b *testing.B) {
				n, m := s.Words(k), tiles*s.MR
				x, w, c := make([]float32, m*Stride(n)), make([]float32, n*s.NR), make([]float32, m*s.NR)
				for b.Loop() {
					s.Gemm(m, n, x, Stride(n), w, c, s.NR, nil, 0)
				}
				b.ReportMetric(2*float64(m*s.NR*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GF/s")
			})
		}
	}
}

func BenchmarkSoftmax(b *testing.B) {
	for _, s := range Sets() {
		b.Run(s.Name, func(b *testing.B) {
			row := make([]float32, 1200)
			dst := make([]float32, s.Words(len(row)))
			for b.Loop() {
				s.SoftmaxRow(dst, row, 0.125)
			}
			b.SetBytes(4 * int64(len(row)))
		})
	}
}

func BenchmarkAddNorm(b *testing.B) {
	for _, s := range Sets() {
		b.Run(s.Name, func(b *testing.B) {
			x := make([]float32, 512)
			for b.Loop() {
				s.AddNorm(x, x, x, x, x, 1e-5)
			}
			b.SetBytes(4 * int64(len(x)))
		})
	}
}

// BenchmarkPackRows packs the keys of one head of a cell of 1,200 tokens.
func BenchmarkPackRows(b *testing.B) {
	for _, s := range Sets() {
		b.Run(s.Name, func(b *testing.B) {
			const n, k, ld = 1200, 64, 1536
			src, dst, scratch := make([]float32, n*ld), make([]float32, s.PackedLen(n, k)), make([]float32, s.PackScratch(k))
			for b.Loop() {
				s.PackRows(dst, src, ld, n, k, scratch)
			}
			b.SetBytes(4 * n * k)
		})
	}
}
