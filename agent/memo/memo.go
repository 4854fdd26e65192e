package memo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
)

// The sizes that a store has by default.
const (
	DefaultMaxBytes    = 4 << 30  // of the folder
	DefaultMemoryBytes = 64 << 20 // of what one process holds
)

// Options of a store.
type Options struct {
	// Dir is the folder that processes share; it is made if it is missing.
	// Empty means that results are kept in memory only.
	Dir string
	// MaxBytes bounds the folder; 0 means DefaultMaxBytes, negative no
	// bound. Several processes may go over it for a moment, by what they
	// have stored since each looked last: at most a sixteenth each.
	MaxBytes int64
	// MemoryBytes bounds what the process keeps in memory; 0 means
	// DefaultMemoryBytes, negative nothing.
	MemoryBytes int64
	// Logger takes the store's log; nil means slog.Default.
	Logger *slog.Logger
}

// Store keeps results. It is safe for concurrent use. A nil *Store keeps
// nothing.
type Store struct {
	memory *memory
	folder *folder // nil without one
	flight flight
	log    *slog.Logger
}

// Open returns a store. It holds no files open and needs no closing.
func Open(o Options) (*Store, error) {
	log := o.Logger
	if log == nil {
		log = slog.Default()
	}
	s := &Store{memory: newMemory(cmp.Or(o.MemoryBytes, DefaultMemoryBytes)), log: log}
	if o.Dir != "" {
		f, err := openFolder(o.Dir, cmp.Or(o.MaxBytes, DefaultMaxBytes))
		if err != nil {
			return nil, fmt.Errorf("memo folder %s: %w", o.Dir, err)
		}
		s.folder = f
	}
	return s, nil
}

// Do returns the result that is stored for the key, or computes and stores it;
// hit tells which. Of several calls with one key, in this process and others,
// one computes while the rest wait for it; if it fails, the next one computes.
// Waiting ends with ctx: the error is then its cause. It records no heartbeats (see
// the package comment).
//
// files are the paths of the files that belong to the result. compute gets as
// many paths, which are not the same ones: it writes its files there, and they
// get their final names when it has succeeded. They lie in the folders of files,
// which compute makes where need be. A file that it does not write belongs to
// the result as missing: what lies at its path is removed. If a file cannot get its
// final name, Do fails, and those before it have theirs.
func Do[T any](ctx context.Context, s *Store, key Key, files []string, compute func(ctx context.Context, files []string) (T, error)) (result T, hit bool, err error) {
	if ctx.Err() != nil {
		return result, false, context.Cause(ctx)
	}
	if s == nil {
		out := newOutputs(files)
		defer out.discard()
		result, err = compute(ctx, out.temporary)
		if err == nil {
			err = out.name()
		}
		return result, false, err
	}
	text, id, err := key.encode()
	if err != nil {
		return result, false, err
	}
	leave, err := s.flight.join(ctx, id)
	if err != nil {
		return result, false, err
	}
	defer leave()

	recall := func() (bool, error) {
		value, err := s.recall(id, text, files)
		if err != nil || value == nil {
			return false, err
		}
		var stored T
		if err := json.Unmarshal(value, &stored); err != nil {
			s.damaged(id, err)
			return false, nil
		}
		result = stored
		return true, nil
	}
	if hit, err = recall(); hit || err != nil {
		return result, hit, err
	}
	if s.folder != nil {
		unlock, waited, err := s.folder.lock(ctx, id)
		if err == nil {
			defer unlock()
		}
		if ctx.Err() != nil {
			return result, false, context.Cause(ctx)
		}
		if err != nil {
			s.log.Warn("memo: computing without a lock", "error", err)
		}
		if waited {
			if hit, err := recall(); hit || err != nil {
				return result, hit, err
			}
		}
	}
	out := newOutputs(files)
	defer out.discard()
	if result, err = compute(ctx, out.temporary); err != nil {
		return result, false, err
	}
	s.store(id, text, result, out.temporary)
	return result, false, out.name()
}

// recall returns the stored value of a key, nil without one, and writes its
// files. The error is one of writing them.
func (s *Store) recall(id string, key []byte, files []string) (json.RawMessage, error) {
	try := func(from source) (json.RawMessage, error) {
		defer from.Close()
		e, err := readEntry(from, key)
		if err == nil {
			err = e.writeFiles(from, files)
		}
		if err != nil {
			return nil, err
		}
		return e.Value, nil
	}
	if data, ok := s.memory.get(id); ok {
		value, err := try(bytesSource(data))
		if !errors.Is(err, errDamaged) {
			return value, err
		}
		s.damaged(id, err)
	}
	if s.folder == nil {
		return nil, nil
	}
	from, err := s.folder.open(id)
	if err != nil {
		s.log.Warn("memo: a stored result cannot be read", "error", err)
		return nil, nil
	}
	if from == nil {
		return nil, nil
	}
	value, err := try(from)
	if errors.Is(err, errDamaged) {
		s.damaged(id, err)
		return nil, nil
	}
	if err == nil {
		s.folder.touch(id)
		s.remember(id)
	}
	return value, err
}

// damaged removes a stored result that cannot be used.
func (s *Store) damaged(id string, reason error) {
	s.log.Warn("memo: a stored result is damaged and goes", "id", id, "reason", reason)
	s.memory.remove(id)
	if s.folder != nil {
		s.folder.remove(id)
	}
}

// store keeps a result and its files. That it cannot is no reason to fail.
func (s *Store) store(id string, key []byte, result any, files []string) {
	value, err := json.Marshal(result)
	if err != nil {
		s.log.Warn("memo: a result cannot be stored", "error", err)
		return
	}
	e, err := newEntry(key, value, files)
	if err == nil {
		switch {
		case s.folder != nil:
			if err = s.folder.write(id, e, files); err == nil {
				s.remember(id)
			}
		case s.memory.takes(e.size()):
			var data []byte
			if data, err = e.encode(files); err == nil {
				s.memory.put(id, data)
			}
		}
	}
	if err != nil {
		s.log.Warn("memo: a result is not stored", "error", err)
	}
}

// remember takes a small result of the folder into memory.
func (s *Store) remember(id string) {
	if data := s.folder.read(id, s.memory.takes); data != nil {
		s.memory.put(id, data)
	}
}
