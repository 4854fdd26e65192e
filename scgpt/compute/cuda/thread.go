//go:build cuda

package cuda

import (
	"context"
	"runtime"
	"sync"
)

// thread runs functions one after another on one OS thread: a CUDA context is
// current on a thread, not in a goroutine.
type thread struct {
	work chan func()
	quit chan struct{}
	done chan struct{}
	stop sync.Once
}

func newThread() *thread {
	t := &thread{work: make(chan func()), quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		// Never unlocked: the thread ends with the goroutine, and whatever
		// CUDA tied to it with it.
		runtime.LockOSThread()
		for {
			select {
			case f := <-t.work:
				f()
			case <-t.quit:
				return
			}
		}
	}()
	return t
}

// do runs f on the thread and returns its error. A caller whose turn has not
// come gives up when its context ends.
func (t *thread) do(ctx context.Context, f func() error) error {
	result := make(chan error, 1)
	select {
	case t.work <- func() { result <- f() }:
		return <-result
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.done:
		return errClosed
	}
}

// end ends the thread after what it does now.
func (t *thread) end() {
	t.stop.Do(func() { close(t.quit) })
	<-t.done
}
