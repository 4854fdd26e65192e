package memo

import (
	"context"
	"sync"
)

// flight lets one goroutine of this process at a time work on a key. The zero
// value is ready.
type flight struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

// join waits until nobody works on the key. leave must be called in the end.
func (f *flight) join(ctx context.Context, id string) (leave func(), err error) {
	for {
		f.mu.Lock()
		ended, busy := f.busy[id]
		if !busy {
			mine := make(chan struct{})
			if f.busy == nil {
				f.busy = map[string]chan struct{}{}
			}
			f.busy[id] = mine
			f.mu.Unlock()
			return func() {
				f.mu.Lock()
				delete(f.busy, id)
				f.mu.Unlock()
				close(mine)
			}, nil
		}
		f.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
