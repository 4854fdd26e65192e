//go:build amd64 && !noasm && unix

package peak

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"
)

// BenchmarkPeak reports floating-point operations per second of one and of
// two threads; cpu-GF/s counts seconds of processor time of one thread, which
// what else runs on the machine disturbs less.
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
				before := processorTime(b)
				for b.Loop() {
					var wg sync.WaitGroup
					for range threads {
						wg.Go(func() { set.loop(n) })
					}
					wg.Wait()
				}
				b.ReportMetric(float64(n)*float64(set.ops)*float64(threads)*float64(b.N)/(processorTime(b)-before).Seconds()/1e9, "cpu-GF/s")
				b.ReportMetric(float64(n)*float64(set.ops)*float64(threads)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GF/s")
			})
		}
	}
}

func processorTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
