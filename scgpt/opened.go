package scgpt

import (
	"context"
	"sync"

	"github.com/seed-ab6af24b/troupe/retry"
	"github.com/seed-ab6af24b/troupe/scgpt/engine"
)

// openCells keeps the file that was used last open, so that the shards of one
// analysis share what opening costs: matching the genes, and for CSC matrices
// writing the transposed copy. The zero value is ready; it is safe for
// concurrent use.
type openCells struct {
	mu   sync.Mutex
	last *sharedCells
}

// cellsKey says what is open: a file by its content, read for a model in a way.
type cellsKey struct {
	path, sum, model string
	options          engine.Options
}

type sharedCells struct {
	*engine.Cells
	key   cellsKey
	owner *openCells
	// users is guarded by owner.mu; the owner itself counts as one.
	users int
}

// open returns the cells of a file; release them after use.
func (o *openCells) open(eng *engine.Engine, path, sum string, opts engine.Options) (*sharedCells, error) {
	key := cellsKey{path, sum, eng.Fingerprint(), opts}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last != nil && o.last.key == key {
		o.last.users++
		return o.last, nil
	}
	cells, err := eng.Open(path, opts)
	if err != nil {
		return nil, err
	}
	o.drop()
	o.last = &sharedCells{Cells: cells, key: key, owner: o, users: 2}
	return o.last, nil
}

// release gives the cells back, after a use under ctx that ended with err. Where
// the open file itself may be at fault (a handle that has become stale, a failed
// read), the next use opens it anew; not after a cancellation, nor where the request
// or the data are at fault.
func (s *sharedCells) release(ctx context.Context, err error) {
	class, _ := retry.ClassOf(err)
	s.owner.mu.Lock()
	defer s.owner.mu.Unlock()
	if err != nil && ctx.Err() == nil && !class.Final() && s.owner.last == s {
		s.owner.drop()
	}
	s.unuse()
}

// close forgets the last file.
func (o *openCells) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop()
}

func (o *openCells) drop() {
	if o.last != nil {
		o.last.unuse()
		o.last = nil
	}
}

func (s *sharedCells) unuse() {
	s.users--
	if s.users == 0 {
		// The file was only read: nothing is lost if closing fails.
		_ = s.Close()
	}
}
