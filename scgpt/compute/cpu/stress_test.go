//go:build unix

package cpu

import (
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
	"github.com/seed-ab6af24b/troupe/scgpt/internal/kernel"
)

// The registers that kernels hold, and the tiles of AMX where there are some,
// survive what interrupts a thread: signals, the garbage collector's, Go's
// preemption, and a number of processors that changes.
func TestInterruptions(t *testing.T) {
	const n, d, heads, rounds = 150, 64, 2, 25
	numbers := func(count int) []float32 {
		x := make([]float32, count)
		for i := range x {
			x[i] = float32((i*7919)%31-15) / 16
		}
		return x
	}
	type answers [][]float32
	once := func(t *testing.T, dev compute.Device) answers {
		ctx := t.Context()
		h, err := dev.Upload(n, d, numbers(n*d))
		require.NoError(t, err)
		w, err := dev.UploadMatrix(3*d, d, numbers(3*d*d))
		require.NoError(t, err)
		cells, err := dev.NewLayout([]int32{0, 40, n})
		require.NoError(t, err)
		qkv, err := dev.NewTensor(n, 3*d)
		require.NoError(t, err)
		out, err := dev.NewTensor(n, d)
		require.NoError(t, err)
		require.NoError(t, dev.Linear(ctx, qkv, h, w, nil, compute.Identity))
		require.NoError(t, dev.Attention(ctx, out, qkv, cells, heads))
		a := answers{make([]float32, n*3*d), make([]float32, n*d)}
		require.NoError(t, dev.Read(ctx, a[0], qkv))
		require.NoError(t, dev.Read(ctx, a[1], out))
		for _, x := range []interface{ Free() }{h, w, cells, qkv, out} {
			x.Free()
		}
		return a
	}
	for _, set := range slices.Concat(kernel.Sets(), kernel.Unlisted()) {
		t.Run(set.Name+"/"+set.Precision, func(t *testing.T) {
			dev := newDevice(set, 3)
			t.Cleanup(func() { require.NoError(t, dev.Close()) })
			want := once(t, dev)

			received := make(chan os.Signal, 1)
			signal.Notify(received, syscall.SIGUSR1)
			defer signal.Stop(received)
			processors := runtime.GOMAXPROCS(0)
			defer runtime.GOMAXPROCS(processors)
			stop := make(chan struct{})
			var storm sync.WaitGroup
			during := func(f func(i int)) {
				storm.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
							f(i)
						}
					}
				})
			}
			during(func(int) { _ = syscall.Kill(os.Getpid(), syscall.SIGUSR1) })
			during(func(int) { runtime.GC() })
			during(func(i int) {
				runtime.GOMAXPROCS(1 + i%(processors+1))
				_ = make([]byte, 1<<20)
			})
			for range rounds {
				got := once(t, dev)
				for k := range want {
					if !slices.Equal(want[k], got[k]) {
						close(stop)
						storm.Wait()
						require.Equal(t, want[k], got[k])
					}
				}
			}
			close(stop)
			storm.Wait()
		})
	}
}
