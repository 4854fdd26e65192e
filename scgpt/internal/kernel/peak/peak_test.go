//go:build amd64 && !noasm

package peak

import (
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sys/cpu"
)

// BenchmarkPeak reports floating-point operations per second of one and of
// two threads.
func BenchmarkPeak(b *testing.B) {
	for _, set := range []struct {
		name string
		has  bool
		loop func(n int)
		ops  int // in a run of the loop: a multiply-add counts as two
	}{
		{"avx2", cpu.X86.HasAVX2 && cpu.X86.HasFMA, peakAVX2, 12 * 8 * 2},
		{"avx512", cpu.X86.HasAVX512F, peakAVX512, 16 * 16 * 2},
		{"avx512bf16", cpu.X86.HasAVX512BF16, peakAVX512BF16, 16 * 32 * 2},
	} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", set.name, threads), func(b *testing.B) {
				if !set.has {
					b.Skip("this processor lacks it")
				}
				const n = 200_000
				for b.Loop() {
					var wg sync.WaitGroup
					for range threads {
						wg.Go(func() { set.loop(n) })
					}
					wg.Wait()
				}
				b.ReportMetric(float64(n)*float64(set.ops)*float64(threads)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GF/s")
			})
		}
	}
}
