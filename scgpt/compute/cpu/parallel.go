package cpu

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel runs task(thread, i) for every i below n on the device's threads,
// each taking the next i when it is done with one. It stops taking tasks when
// ctx ends, waits for those in progress and returns the context's cause. A
// long task asks stopped now and then and returns early.
//
// The threads are goroutines like any other, and wait for each other without
// spinning. Between tasks, and where a task asks stopped, they let others run
// first: a program whose processors are all computing still answers its
// network and its timers within a millisecond or two, not at the end of the time
// slices (10 ms) of all who are in the queue.
func (d *device) parallel(ctx context.Context, n int, task func(thread, i int, stopped func() bool)) error {
	var next atomic.Int64
	stopped := func() bool {
		runtime.Gosched()
		select {
		case <-ctx.Done():
			return true
		default:
			return false
		}
	}
	work := func(thread int) {
		for !stopped() {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			task(thread, i, stopped)
		}
	}
	var wg sync.WaitGroup
	for thread := 1; thread < min(d.threads, n); thread++ {
		wg.Go(func() { work(thread) })
	}
	work(0)
	wg.Wait()
	return context.Cause(ctx)
}

// rows cuts n rows into blocks and runs task on each.
func (d *device) rows(ctx context.Context, n, block int, task func(thread, from, to int)) error {
	return d.parallel(ctx, (n+block-1)/block, func(thread, i int, _ func() bool) {
		task(thread, i*block, min(n, (i+1)*block))
	})
}

// rowBlock is the largest number of rows of a task of a product: with 512
// columns a quarter of a megabyte, which stays in a core's L2.
// It is even, so that no pair of rows lies in two blocks.
const rowBlock = 2 * pairBlock

// rowBlocks cuts n rows into blocks of whole tiles, of about most rows or less,
// and returns their borders.
// The last blocks are smaller, so that the threads end at about the same time.
func (d *device) rowBlocks(n, most int) []int {
	mr := d.set.MR
	borders := []int{0}
	for from := 0; from < n; {
		tiles := (n - from + mr - 1) / mr
		share := (tiles + 2*d.threads - 1) / (2 * d.threads)
		from = min(n, from+mr*min(share, max(1, most/mr)))
		borders = append(borders, from)
	}
	return borders
}
