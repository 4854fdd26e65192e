package model

import (
	"errors"
	"sync"

	"github.com/seed-ab6af24b/troupe/scgpt/compute"
)

// batchLimit is the number of tokens of a forward pass. It is what the device
// likes best until a pass does not fit into memory; from then on half of that
// pass, until many have fitted and twice as many are tried again. It is safe for
// concurrent use.
type batchLimit struct {
	best int

	mu     sync.Mutex
	now    int
	fitted int
}

// triesBeforeGrowth is how many passes must fit before larger ones are tried:
// what took the memory may be gone, and a pass that fails costs little of so
// many.
const triesBeforeGrowth = 64

func newBatchLimit(best int) *batchLimit { return &batchLimit{best: best, now: best} }

func (l *batchLimit) tokens() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// fit notes that a pass fitted.
func (l *batchLimit) fit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == l.best {
		return
	}
	if l.fitted++; l.fitted >= triesBeforeGrowth {
		l.now, l.fitted = min(2*l.now, l.best), 0
	}
}

// shrink notes that a pass of so many tokens did not fit.
func (l *batchLimit) shrink(tokens int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now, l.fitted = max(1, min(l.now, tokens/2)), 0
}

func isOutOfMemory(err error) bool {
	var full *compute.OutOfMemoryError
	return errors.As(err, &full)
}
