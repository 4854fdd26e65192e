package memo

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/seed-ab6af24b/troupe/agent/internal/filelock"
)

// folder is where processes share results:
//
//	ab/abcd….memo    a stored result
//	locks/….lock     locked by who computes it
//	tmp/             results that are being written
type folder struct {
	dir      string
	maxBytes int64

	mu sync.Mutex
	// unseen is what was written since the folder was last looked over.
	unseen int64
	looked bool
}

const suffix = ".memo"

func openFolder(dir string, maxBytes int64) (*folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	f := &folder{dir: dir, maxBytes: maxBytes}
	for _, d := range []string{f.locks(), f.tmp()} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *folder) locks() string { return filepath.Join(f.dir, "locks") }
func (f *folder) tmp() string   { return filepath.Join(f.dir, "tmp") }

func (f *folder) path(id string) string { return filepath.Join(f.dir, id[:2], id+suffix) }

// fileSource is an open file of a known size.
type fileSource struct {
	*os.File
	n int64
}

func (f fileSource) size() int64 { return f.n }

// open opens a stored result. Without one, it returns nil.
func (f *folder) open(id string) (source, error) {
	file, err := os.Open(f.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return fileSource{file, info.Size()}, nil
}

// read returns a stored result of a size that takes accepts, else nil.
func (f *folder) read(id string, takes func(int64) bool) []byte {
	from, err := f.open(id)
	if err != nil || from == nil {
		return nil
	}
	defer from.Close()
	if !takes(from.size()) {
		return nil
	}
	data := make([]byte, from.size())
	if _, err := from.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return data
}

func (f *folder) remove(id string) { _ = os.Remove(f.path(id)) }

// touch marks a result as used.
func (f *folder) touch(id string) {
	now := time.Now()
	_ = os.Chtimes(f.path(id), now, now)
}

// write stores a result. One that is as large as the folder may be is left out.
func (f *folder) write(id string, e *entry, files []string) error {
	if f.maxBytes > 0 && e.size() > f.maxBytes {
		return nil
	}
	file, err := os.CreateTemp(f.tmp(), id[:8]+"-*")
	if err != nil {
		return err
	}
	err = e.write(file, files)
	err = errors.Join(err, file.Sync(), file.Chmod(0o644), file.Close())
	if err == nil {
		if err = os.MkdirAll(filepath.Dir(f.path(id)), 0o777); err == nil {
			err = os.Rename(file.Name(), f.path(id))
		}
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return f.evict(e.size())
}

// The pauses between two looks at a lock that another process has.
const (
	shortestPause = time.Millisecond
	longestPause  = 100 * time.Millisecond
)

// lock takes the right to compute a result, and waits for it while another
// process has it; waited tells whether one had.
func (f *folder) lock(ctx context.Context, id string) (unlock func(), waited bool, err error) {
	path := filepath.Join(f.locks(), id+".lock")
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		file, err := filelock.Open(path, true)
		switch {
		case err == nil:
			return func() { filelock.Remove(file) }, waited, nil
		case errors.Is(err, filelock.ErrGone):
			// Its holder is done: see what it stored.
			waited = true
			continue
		case !errors.Is(err, filelock.ErrLocked):
			return nil, waited, err
		}
		waited = true
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, waited, context.Cause(ctx)
		}
	}
}

// oldTemporary is far more than it takes to write a result: a file in tmp that
// has not changed for so long belongs to a process that is gone.
const oldTemporary = time.Hour

// evict looks the folder over when enough was written, and removes what was not
// used for the longest time where it is too large.
func (f *folder) evict(written int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unseen += written
	if f.looked && (f.maxBytes < 0 || f.unseen < f.maxBytes/16) {
		return nil
	}
	// One process at a time looks; it does so for all.
	lock, err := filelock.Open(filepath.Join(f.locks(), "evict"), true)
	if errors.Is(err, filelock.ErrLocked) || errors.Is(err, filelock.ErrGone) {
		return nil
	}
	if err == nil {
		defer filelock.Remove(lock)
	}
	f.unseen, f.looked = 0, true
	f.clearTemporary()
	if f.maxBytes < 0 {
		return nil
	}
	return f.shrink()
}

type storedResult struct {
	path string
	size int64
	used time.Time
}

// shrink removes results until the folder has some room.
func (f *folder) shrink() error {
	results, total, err := f.results()
	if err != nil || total <= f.maxBytes {
		return err
	}
	slices.SortFunc(results, func(a, b storedResult) int {
		return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path))
	})
	for _, r := range results {
		if total <= f.maxBytes-f.maxBytes/10 {
			break
		}
		// One that stays, as on Windows while it is read, is made up for by others.
		if failed := os.Remove(r.path); failed != nil && !errors.Is(failed, fs.ErrNotExist) {
			err = cmp.Or(err, failed)
			continue
		}
		total -= r.size
	}
	if total > f.maxBytes {
		return err
	}
	return nil
}

func (f *folder) results() (list []storedResult, total int64, err error) {
	groups, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, 0, err
	}
	for _, g := range groups {
		if !g.IsDir() || len(g.Name()) != 2 {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(f.dir, g.Name()))
		if err != nil {
			return nil, 0, err
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || filepath.Ext(e.Name()) != suffix {
				continue // another process removed it, or it is none
			}
			list = append(list, storedResult{filepath.Join(f.dir, g.Name(), e.Name()), info.Size(), info.ModTime()})
			total += info.Size()
		}
	}
	return list, total, nil
}

func (f *folder) clearTemporary() {
	entries, err := os.ReadDir(f.tmp())
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > oldTemporary {
			_ = os.Remove(filepath.Join(f.tmp(), e.Name()))
		}
	}
}
