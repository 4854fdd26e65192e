package memo_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/agent/memo"
)

type answer struct {
	Text string `json:"text"`
}

func open(t testing.TB, o memo.Options) *memo.Store {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := memo.Open(o)
	require.NoError(t, err)
	return s
}

// stores are the kinds of a store.
func stores(t *testing.T) map[string]func() *memo.Store {
	return map[string]func() *memo.Store{
		"memory": func() *memo.Store { return open(t, memo.Options{}) },
		"folder": func() *memo.Store { return open(t, memo.Options{Dir: t.TempDir(), MemoryBytes: -1}) },
		"both":   func() *memo.Store { return open(t, memo.Options{Dir: t.TempDir()}) },
	}
}

func keyOf(input string) memo.Key {
	return memo.Key{Agent: "test", Activity: "answer", Version: "1", Input: input, Params: map[string]int{"b": 2, "a": 1}}
}

// counted computes an answer, and a file if there is one, and counts.
type counted struct{ n atomic.Int32 }

func (c *counted) answer(text string) func(context.Context, []string) (answer, error) {
	return func(_ context.Context, files []string) (answer, error) {
		c.n.Add(1)
		for _, path := range files {
			if err := os.WriteFile(path, []byte("file of "+text), 0o644); err != nil {
				return answer{}, err
			}
		}
		return answer{text}, nil
	}
}

func TestSecondRequestIsAHit(t *testing.T) {
	for name, newStore := range stores(t) {
		t.Run(name, func(t *testing.T) {
			s, c, dir := newStore(), &counted{}, t.TempDir()
			first := filepath.Join(dir, "first.h5ad")
			got, hit, err := memo.Do(t.Context(), s, keyOf("a"), []string{first}, c.answer("A"))
			require.NoError(t, err)
			require.False(t, hit)
			require.Equal(t, answer{"A"}, got)
			requireFile(t, "file of A", first)
			require.NoError(t, os.WriteFile(first, []byte("changed by its owner"), 0o644))

			second := filepath.Join(dir, "new", "second.h5ad")
			got, hit, err = memo.Do(t.Context(), s, keyOf("a"), []string{second}, c.answer("B"))
			require.NoError(t, err)
			require.True(t, hit)
			require.Equal(t, answer{"A"}, got)
			requireFile(t, "file of A", second)
			requireFile(t, "changed by its owner", first)
			require.EqualValues(t, 1, c.n.Load())

			_, hit, err = memo.Do(t.Context(), s, keyOf("b"), nil, c.answer("B"))
			require.NoError(t, err)
			require.False(t, hit, "another input")
			requireNames(t, dir, "first.h5ad", "new")
		})
	}
}

func requireFile(t *testing.T, want, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(data))
}

// requireNames makes sure that the folder holds these files and nothing else.
func requireNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.ElementsMatch(t, want, names)
}

func TestEveryPartOfTheKeyCounts(t *testing.T) {
	s, c := open(t, memo.Options{}), &counted{}
	keys := []memo.Key{
		{Activity: "x"}, {Activity: "y"}, {Agent: "x"}, {Version: "x"}, {Model: "x"}, {Device: "x"}, {Input: "x"},
		{Params: "x"}, {Params: answer{"x"}},
	}
	for range 2 {
		for _, k := range keys {
			_, _, err := memo.Do(t.Context(), s, k, nil, c.answer("A"))
			require.NoError(t, err)
		}
	}
	require.EqualValues(t, len(keys), c.n.Load())
	_, _, err := memo.Do(t.Context(), s, memo.Key{Activity: "x", Params: func() {}}, nil, c.answer("A"))
	require.ErrorContains(t, err, "memo key of x")
}

func TestWithoutAStore(t *testing.T) {
	c, path := &counted{}, filepath.Join(t.TempDir(), "x")
	for range 2 {
		got, hit, err := memo.Do(t.Context(), nil, keyOf("a"), []string{path}, c.answer("A"))
		require.NoError(t, err)
		require.False(t, hit)
		require.Equal(t, answer{"A"}, got)
		requireFile(t, "file of A", path)
	}
	require.EqualValues(t, 2, c.n.Load())
}

// A result may have a file that this time was not needed: what an earlier request
// left under its name goes.
func TestMissingFileOfAResult(t *testing.T) {
	kinds := stores(t)
	kinds["none"] = func() *memo.Store { return nil }
	for name, newStore := range kinds {
		t.Run(name, func(t *testing.T) {
			s, dir := newStore(), t.TempDir()
			files := []string{filepath.Join(dir, "large"), filepath.Join(dir, "small")}
			for _, wantHit := range []bool{false, s != nil} {
				require.NoError(t, os.WriteFile(files[0], []byte("of an earlier request"), 0o644))
				_, hit, err := memo.Do(t.Context(), s, keyOf("a"), files, func(_ context.Context, files []string) (answer, error) {
					return answer{}, os.WriteFile(files[1], []byte("small"), 0o644)
				})
				require.NoError(t, err)
				require.Equal(t, wantHit, hit)
				requireFile(t, "small", files[1])
				require.NoFileExists(t, files[0])
				require.NoError(t, os.Remove(files[1]))
			}
		})
	}
}

func TestErrorsAreNotKept(t *testing.T) {
	for name, newStore := range stores(t) {
		t.Run(name, func(t *testing.T) {
			s, dir := newStore(), t.TempDir()
			path := filepath.Join(dir, "x")
			broken := errors.New("broken")
			_, _, err := memo.Do(t.Context(), s, keyOf("a"), []string{path}, func(_ context.Context, files []string) (answer, error) {
				require.NoError(t, os.WriteFile(files[0], []byte("half"), 0o644))
				return answer{}, broken
			})
			require.ErrorIs(t, err, broken)
			requireNames(t, dir)
			_, hit, err := memo.Do(t.Context(), s, keyOf("a"), []string{path}, (&counted{}).answer("A"))
			require.NoError(t, err)
			require.False(t, hit)
		})
	}
}

func TestPanicLeavesTheKeyFree(t *testing.T) {
	s := open(t, memo.Options{Dir: t.TempDir()})
	require.Panics(t, func() {
		_, _, _ = memo.Do(t.Context(), s, keyOf("a"), nil, func(context.Context, []string) (answer, error) { panic("kernel") })
	})
	_, hit, err := memo.Do(t.Context(), s, keyOf("a"), nil, (&counted{}).answer("A"))
	require.NoError(t, err)
	require.False(t, hit)
}

// endedByLock is a context that ends as soon as the store has a lock.
type endedByLock struct {
	context.Context
	locks string
}

func (c endedByLock) Err() error {
	if entries, err := os.ReadDir(c.locks); err == nil && len(entries) == 0 {
		return nil
	}
	return context.Canceled
}

// Whoever gives up gives the right to compute back, at whatever moment.
func TestGivingUpLeavesTheKeyFree(t *testing.T) {
	for name, newContext := range map[string]func(t *testing.T, dir string) context.Context{
		"before it asks": func(t *testing.T, _ string) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx
		},
		"with the lock": func(t *testing.T, dir string) context.Context {
			return endedByLock{t.Context(), filepath.Join(dir, "locks")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, c := t.TempDir(), &counted{}
			s := open(t, memo.Options{Dir: dir})
			_, _, err := memo.Do(newContext(t, dir), s, keyOf("a"), nil, c.answer("A"))
			require.ErrorIs(t, err, context.Canceled)
			require.Zero(t, c.n.Load())
			requireNames(t, filepath.Join(dir, "locks"))
			_, hit, err := memo.Do(t.Context(), s, keyOf("a"), nil, c.answer("A"))
			require.NoError(t, err)
			require.False(t, hit)
		})
	}
}

// Of many that ask at once, one computes.
func TestSingleFlight(t *testing.T) {
	for name, newStore := range stores(t) {
		t.Run(name, func(t *testing.T) {
			s, c := newStore(), &counted{}
			var wg sync.WaitGroup
			var hits atomic.Int32
			for range 20 {
				wg.Go(func() {
					got, hit, err := memo.Do(t.Context(), s, keyOf("a"), nil, c.answer("A"))
					if err != nil || got != (answer{"A"}) {
						t.Errorf("%v, %v", got, err)
					}
					if hit {
						hits.Add(1)
					}
				})
			}
			wg.Wait()
			require.EqualValues(t, 1, c.n.Load())
			require.EqualValues(t, 19, hits.Load())
		})
	}
}

// Two stores of one folder are as two processes to each other: the locks belong
// to open files.
func TestStoresOfOneFolderShare(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, memo.Options{Dir: dir}), open(t, memo.Options{Dir: dir})
	started, proceed := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, _, err := memo.Do(t.Context(), a, keyOf("a"), nil, func(context.Context, []string) (answer, error) {
			close(started)
			<-proceed
			return answer{"A"}, nil
		})
		first <- err
	}()
	<-started

	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	impatient := make(chan error, 1)
	go func() {
		_, _, err := memo.Do(ctx, b, keyOf("a"), nil, (&counted{}).answer("B"))
		impatient <- err
	}()
	cancel(stop)
	require.ErrorIs(t, <-impatient, stop)

	patient := make(chan bool, 1)
	go func() {
		got, hit, err := memo.Do(t.Context(), b, keyOf("a"), nil, (&counted{}).answer("B"))
		patient <- err == nil && hit && got == answer{"A"}
	}()
	select {
	case <-patient:
		require.Fail(t, "it did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	close(proceed)
	require.NoError(t, <-first)
	require.True(t, <-patient)
	requireNames(t, filepath.Join(dir, "locks"))
	requireNames(t, filepath.Join(dir, "tmp"))
}

// Whoever waits for one that fails computes itself.
func TestNextInLineComputesAfterAFailure(t *testing.T) {
	s := open(t, memo.Options{Dir: t.TempDir()})
	started, proceed := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, _, err := memo.Do(t.Context(), s, keyOf("a"), nil, func(context.Context, []string) (answer, error) {
			close(started)
			<-proceed
			return answer{}, errors.New("out of memory")
		})
		first <- err
	}()
	<-started
	next := make(chan answer, 1)
	go func() {
		got, _, _ := memo.Do(t.Context(), s, keyOf("a"), nil, (&counted{}).answer("A"))
		next <- got
	}()
	close(proceed)
	require.ErrorContains(t, <-first, "out of memory")
	require.Equal(t, answer{"A"}, <-next)
}

// storedFiles lists the results in a folder.
func storedFiles(t *testing.T, dir string) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".memo") {
			paths = append(paths, path)
		}
		return err
	}))
	return paths
}

// A stored result that was damaged in any way is computed again.
func TestDamagedResultsAreComputedAgain(t *testing.T) {
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "x")
	c := &counted{}
	do := func(input string) bool {
		t.Helper()
		s := open(t, memo.Options{Dir: dir, MemoryBytes: -1})
		got, hit, err := memo.Do(t.Context(), s, keyOf(input), []string{out}, c.answer("A"))
		require.NoError(t, err)
		require.Equal(t, answer{"A"}, got)
		requireFile(t, "file of A", out)
		requireNames(t, filepath.Dir(out), "x")
		return hit
	}
	do("a")
	path := storedFiles(t, dir)[0]
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	damage := func(data []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, data, 0o644))
		require.False(t, do("a"))
		require.True(t, do("a"))
	}
	for i := range whole {
		bad := append([]byte(nil), whole...)
		bad[i] ^= 0x20
		damage(bad)
	}
	for i := 0; i < len(whole); i += 7 {
		damage(whole[:i])
	}
	damage(append(append([]byte(nil), whole...), 0))

	// The result of one request under the name of another's.
	do("b")
	for _, other := range storedFiles(t, dir) {
		if other != path {
			require.NoError(t, os.Rename(path, other))
		}
	}
	require.False(t, do("b"))
}

// The folder stays below its size, and what was used last stays.
func TestFolderKeepsToItsSize(t *testing.T) {
	dir, c := t.TempDir(), &counted{}
	const maxBytes = 40 << 10
	s := open(t, memo.Options{Dir: dir, MaxBytes: maxBytes, MemoryBytes: -1})
	big := strings.Repeat("x", 1<<10)
	do := func(input string) bool {
		t.Helper()
		_, hit, err := memo.Do(t.Context(), s, keyOf(input), nil, c.answer(big))
		require.NoError(t, err)
		return hit
	}
	do("used")
	for i := range 100 {
		do(strings.Repeat("i", i+1))
		require.True(t, do("used"), "step %d", i)
		// As if an hour passed between two requests.
		for _, path := range storedFiles(t, dir) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			past := info.ModTime().Add(-time.Hour)
			require.NoError(t, os.Chtimes(path, past, past))
		}
	}
	total := int64(0)
	for _, path := range storedFiles(t, dir) {
		info, err := os.Stat(path)
		require.NoError(t, err)
		total += info.Size()
	}
	require.LessOrEqual(t, total, int64(maxBytes+maxBytes/16+2<<10))
	require.Greater(t, total, int64(maxBytes/2))

	// What is larger than all of it is not stored, and drives nothing out.
	before := len(storedFiles(t, dir))
	_, _, err := memo.Do(t.Context(), s, keyOf("huge"), nil, c.answer(strings.Repeat("y", maxBytes)))
	require.NoError(t, err)
	require.Len(t, storedFiles(t, dir), before)
}

func TestMemoryKeepsToItsSize(t *testing.T) {
	s, c := open(t, memo.Options{MemoryBytes: 8 << 10}), &counted{}
	do := func(input, text string) bool {
		t.Helper()
		_, hit, err := memo.Do(t.Context(), s, keyOf(input), nil, c.answer(text))
		require.NoError(t, err)
		return hit
	}
	text := strings.Repeat("x", 1<<10)
	do("used", text)
	for i := range 20 {
		do(strings.Repeat("i", i+1), text)
		require.True(t, do("used", text))
	}
	require.False(t, do("i", text), "the oldest has gone")
	do("large", strings.Repeat("x", 4<<10))
	require.False(t, do("large", text), "more than a quarter is not kept")
}

// What a killed process was writing goes, what another one is writing stays.
func TestOldTemporaryFilesGo(t *testing.T) {
	dir := t.TempDir()
	s := open(t, memo.Options{Dir: dir})
	for name, age := range map[string]time.Duration{"old": 2 * time.Hour, "new": time.Minute} {
		path := filepath.Join(dir, "tmp", name)
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		then := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(path, then, then))
	}
	_, _, err := memo.Do(t.Context(), s, keyOf("a"), nil, (&counted{}).answer("A"))
	require.NoError(t, err)
	requireNames(t, filepath.Join(dir, "tmp"), "new")
}

// A memo that cannot store is no reason to fail.
func TestFolderThatIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "memo")
	s := open(t, memo.Options{Dir: dir})
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.WriteFile(dir, []byte("a file in its place"), 0o644))
	for range 2 {
		got, _, err := memo.Do(t.Context(), s, keyOf("a"), nil, (&counted{}).answer("A"))
		require.NoError(t, err)
		require.Equal(t, answer{"A"}, got)
	}
	_, err := memo.Open(memo.Options{Dir: dir})
	require.ErrorContains(t, err, "memo folder "+dir)
}

// A hit that cannot write its file fails as the computation would.
func TestHitWithoutAPlaceForItsFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, memo.Options{Dir: filepath.Join(dir, "memo")})
	_, _, err := memo.Do(t.Context(), s, keyOf("a"), []string{filepath.Join(dir, "x")}, (&counted{}).answer("A"))
	require.NoError(t, err)
	_, _, err = memo.Do(t.Context(), s, keyOf("a"), []string{filepath.Join(dir, "x", "y")}, (&counted{}).answer("A"))
	require.Error(t, err)
	requireFile(t, "file of A", filepath.Join(dir, "x"))
}
