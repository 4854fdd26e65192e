package lease

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Options say what a lease's tokens are, and who asks for them.
type Options struct {
	// Dir is the folder through which processes share the lease; it is made
	// if it is missing. Empty means that the lease is of this process alone.
	Dir string
	// Tokens is how many there are; 0 means 1.
	Tokens int
	// Agent names who asks, for [Holder]s.
	Agent string
	// Heartbeat is called while an activity waits, at once and then every
	// [agent.HeartbeatInterval]. Nil records a heartbeat that repeats the
	// details of the attempt before, so that waiting loses none of them. An
	// activity that records heartbeats of its own beside the wait, with
	// details that no other heartbeat should replace, sets a function that
	// does nothing.
	Heartbeat func(context.Context, Wait)
}

// Wait is an acquisition that has to wait.
type Wait struct {
	// Lease is the lease's name.
	Lease string
	// Ahead is how many wait longer in this process.
	Ahead int
	// Since is when the waiting began.
	Since time.Time
}

// Lease is a number of tokens with a name. Leases of one name and one folder
// are one, in a process and among processes; so are those of one name without
// a folder in a process. It is safe for concurrent use.
type Lease struct {
	*shared
	agent     string
	heartbeat func(context.Context, Wait)
}

// shared is what all leases of one name and folder have in common.
type shared struct {
	name string
	pool pool
	line line
	// freed holds a value after a token came back: who is first in line looks
	// again.
	freed chan struct{}
}

// pool holds the tokens.
type pool interface {
	// take takes a token for h, if one is free and nobody of another
	// process waits longer. It is called by one goroutine at a time, again
	// and again until it has one or leave is called.
	take(h Holder) (put func(), ok bool, err error)
	// leave is called by the same goroutine when it is done with take.
	leave()
	// pause is the longest time after which take may have another answer
	// though no token came back in this process; 0 means there is none.
	pause() time.Duration
	capacity() int
	holders() ([]Holder, error)
}

// maxNameBytes keeps folder names, which are longer where bytes are escaped,
// below the 255 bytes that file systems take.
const maxNameBytes = 80

// maxTokens bounds the number of files that an acquisition may look at.
const maxTokens = 1024

// all holds the leases of this process, for its lifetime.
var (
	allMu sync.Mutex
	all   = map[key]*shared{}
)

type key struct{ name, dir string }

// New returns the lease of a name, which is any short text, such as the name of
// a device.
func New(name string, o Options) (*Lease, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("lease %q: %w", name, err)
	}
	tokens := o.Tokens
	if tokens == 0 {
		tokens = 1
	}
	if tokens < 1 || tokens > maxTokens {
		return nil, fmt.Errorf("lease %q: Tokens = %d, want 1 to %d", name, o.Tokens, maxTokens)
	}
	dir := o.Dir
	if dir != "" {
		var err error
		if dir, err = makeDir(o.Dir); err != nil {
			return nil, fmt.Errorf("lease %q: %w", name, err)
		}
	}
	l := &Lease{agent: o.Agent, heartbeat: o.Heartbeat}
	allMu.Lock()
	defer allMu.Unlock()
	k := key{name, dir}
	if l.shared = all[k]; l.shared == nil {
		p, err := newPool(name, dir, tokens)
		if err != nil {
			return nil, fmt.Errorf("lease %q: %w", name, err)
		}
		l.shared = &shared{name: name, pool: p, freed: make(chan struct{}, 1)}
		all[k] = l.shared
	}
	if n := l.pool.capacity(); n != tokens {
		return nil, fmt.Errorf("lease %q: Tokens = %d, but this process has the lease with %d already", name, tokens, n)
	}
	return l, nil
}

func newPool(name, dir string, tokens int) (pool, error) {
	if dir == "" {
		return newMemory(tokens), nil
	}
	return newFiles(filepath.Join(dir, folderName(name)), tokens)
}

// makeDir returns the one path of the folder, whatever links lead to it.
func makeDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	path, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxNameBytes:
		return fmt.Errorf("the name has %d bytes, more than %d", len(name), maxNameBytes)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("the name holds characters that are not printable")
	}
	return nil
}

// Name returns the lease's name.
func (l *Lease) Name() string { return l.name }

// Tokens returns how many tokens there are.
func (l *Lease) Tokens() int { return l.pool.capacity() }

// Acquire takes a token, and waits until there is one, or until ctx ends: the
// error then wraps ctx's cause. Every error names the lease.
//
// The token is the caller's until release is called, also after ctx has ended.
// release may be called more than once, and from any goroutine. Who holds a
// token and acquires another one of the same lease may wait for ever; who needs
// tokens of several leases acquires them in one order everywhere.
func (l *Lease) Acquire(ctx context.Context) (release func(), err error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("lease %q: %w", l.name, context.Cause(ctx))
	}
	holder := l.holder(ctx)
	place := l.line.join()
	first := place.turn == nil
	defer func() {
		if first {
			l.pool.leave()
		}
		l.line.leave(place)
	}()

	var (
		turn  = place.turn
		pause = shortestPause
		timer *time.Timer
		beats *heartbeats
	)
	for {
		var freed <-chan struct{}
		var again <-chan time.Time
		if first {
			put, ok, err := l.pool.take(holder)
			if err != nil {
				return nil, fmt.Errorf("lease %q: %w", l.name, err)
			}
			if ok {
				return l.release(put), nil
			}
			freed = l.freed
			if longest := l.pool.pause(); longest > 0 {
				if timer == nil {
					timer = time.NewTimer(pause)
					defer timer.Stop()
				} else {
					timer.Reset(pause)
				}
				again, pause = timer.C, min(2*pause, longest)
			}
		}
		if beats == nil {
			beats = l.startBeats(ctx)
			defer beats.stop()
			beats.beat(ctx, l.line.ahead(place))
		}
		select {
		case <-turn:
			first, turn = true, nil
		case <-freed:
		case <-again:
		case <-beats.ticks:
			beats.beat(ctx, l.line.ahead(place))
		case <-ctx.Done():
			return nil, fmt.Errorf("lease %q: gave up waiting after %v%s: %w",
				l.name, time.Since(beats.since).Round(time.Millisecond), l.heldBy(), context.Cause(ctx))
		}
	}
}

// shortestPause is how soon the first in line looks for a token of another
// process again; the pauses double up to the pool's longest.
const shortestPause = time.Millisecond

// release returns the function that gives a token back.
func (s *shared) release(put func()) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			put()
			select {
			case s.freed <- struct{}{}:
			default:
			}
		})
	}
}

// heldBy says for a message who has the tokens.
func (s *shared) heldBy() string {
	holders, err := s.pool.holders()
	if err != nil || len(holders) == 0 {
		return ""
	}
	words := make([]string, len(holders))
	for i, h := range holders {
		words[i] = h.String()
	}
	return " while held by " + strings.Join(words, "; ")
}

// Holders returns who has the tokens at this moment, in all processes.
func (l *Lease) Holders() ([]Holder, error) {
	h, err := l.pool.holders()
	if err != nil {
		return nil, fmt.Errorf("lease %q: %w", l.name, err)
	}
	return h, nil
}
