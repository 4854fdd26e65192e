package tokens_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed-ab6af24b/troupe/scgpt/tokens"
)

func BenchmarkAppend(b *testing.B) {
	for _, genes := range []int{300, 1200, 3000} {
		b.Run(fmt.Sprintf("genes=%d", genes), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			g := &tokens.GeneMap{IDs: make([]int32, 30000)}
			indices, values := make([]int32, genes), make([]float32, genes)
			for i := range indices {
				indices[i] = int32(i * 10)
				values[i] = float32(1 + int(r.ExpFloat64()*2))
			}
			tok, err := tokens.New(g, tokens.ZeroShot(1, -2))
			if err != nil {
				b.Fatal(err)
			}
			var dst tokens.Packed
			b.ReportAllocs()
			for b.Loop() {
				dst.IDs, dst.Values, dst.Offsets = dst.IDs[:0], dst.Values[:0], dst.Offsets[:0]
				if _, err := tok.Append(&dst, 0, indices, values); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
