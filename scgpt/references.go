package scgpt

import (
	"context"
	"sync"

	"github.com/seed-ab6af24b/troupe/scgpt/engine"
	"github.com/seed-ab6af24b/troupe/scgpt/reference"
)

// references keeps the reference that was used last open: one may be large.
// Requests name references, never paths. It is safe for concurrent use.
type references struct {
	folder string

	mu   sync.Mutex
	last *reference.Reference
}

// get returns the reference of a name, which must be one of the model.
func (r *references) get(ctx context.Context, name string, eng *engine.Engine) (*reference.Reference, error) {
	dir, err := reference.Find(r.folder, name)
	if err != nil {
		return nil, err
	}
	sum, err := reference.Fingerprint(dir)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil || r.last.Fingerprint() != sum {
		r.last = nil // let it go before the next one comes
		if r.last, err = reference.Open(ctx, dir); err != nil {
			return nil, err
		}
	}
	return r.last, r.last.Check(eng)
}

func (r *references) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = nil
}
