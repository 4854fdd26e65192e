package lease_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.uber.org/goleak"

	"github.com/seed-ab6af24b/troupe/agent/lease"
)

// childRole makes a child of the test binary do something in childDir.
const (
	childRole = "LEASE_TEST_CHILD"
	childDir  = "LEASE_TEST_CHILD_DIR"
)

var roles = map[string]func(l *lease.Lease, dir string) error{"hold": hold, "count": count}

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		dir := os.Getenv(childDir)
		l, err := lease.New("gpu", lease.Options{Dir: dir, Agent: "child"})
		if err == nil {
			err = roles[role](l, dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// kinds are the two kinds of lease, to run a test on both. newLease returns a
// lease of its own for each test.
func kinds(t *testing.T, test func(t *testing.T, newLease func(tokens int) *lease.Lease)) {
	for name, o := range map[string]lease.Options{"process": {}, "machine": {Dir: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			test(t, func(tokens int) *lease.Lease {
				o.Tokens = tokens
				l, err := lease.New(t.Name(), o)
				require.NoError(t, err)
				return l
			})
		})
	}
}

func acquire(t *testing.T, l *lease.Lease) (release func()) {
	t.Helper()
	release, err := l.Acquire(t.Context())
	require.NoError(t, err)
	return release
}

// later acquires in a goroutine, which is in line when later returns.
func later(ctx context.Context, t *testing.T, l *lease.Lease) <-chan result {
	t.Helper()
	c := make(chan result, 1)
	before := l.Waiting()
	go func() {
		release, err := l.Acquire(ctx)
		c <- result{release, err}
	}()
	require.Eventually(t, func() bool { return l.Waiting() > before }, 10*time.Second, 100*time.Microsecond)
	return c
}

type result struct {
	release func()
	err     error
}

func TestFirstComeFirstServed(t *testing.T) {
	kinds(t, func(t *testing.T, newLease func(int) *lease.Lease) {
		l := newLease(1)
		release := acquire(t, l)
		var waiting []<-chan result
		for range 5 {
			waiting = append(waiting, later(t.Context(), t, l))
		}
		for i, w := range waiting {
			for _, other := range waiting[i:] {
				require.Empty(t, other, "somebody has it beside the holder")
			}
			release()
			r := <-w
			require.NoError(t, r.err)
			release = r.release
		}
		release()
		require.Zero(t, l.Waiting())
	})
}

func TestTokens(t *testing.T) {
	kinds(t, func(t *testing.T, newLease func(int) *lease.Lease) {
		l := newLease(3)
		require.Equal(t, 3, l.Tokens())
		var releases []func()
		for range 3 {
			releases = append(releases, acquire(t, l))
		}
		w := later(t.Context(), t, l)
		require.Empty(t, w)
		releases[1]()
		r := <-w
		require.NoError(t, r.err)
		r.release()
		releases[1]() // again: nothing
		holders, err := l.Holders()
		require.NoError(t, err)
		require.Len(t, holders, 2)
		releases[0]()
		releases[2]()
		holders, err = l.Holders()
		require.NoError(t, err)
		require.Empty(t, holders)
	})
}

// Who gives up leaves the line, wherever in it.
func TestCancellation(t *testing.T) {
	kinds(t, func(t *testing.T, newLease func(int) *lease.Lease) {
		l := newLease(1)
		release := acquire(t, l)
		why := errors.New("no time")
		var cancels []context.CancelCauseFunc
		var waiting []<-chan result
		for range 4 {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			cancels = append(cancels, cancel)
			waiting = append(waiting, later(ctx, t, l))
		}
		for _, i := range []int{1, 0, 3} {
			cancels[i](why)
			r := <-waiting[i]
			require.ErrorIs(t, r.err, why)
			require.ErrorContains(t, r.err, fmt.Sprintf("lease %q: gave up waiting after", l.Name()))
			require.ErrorContains(t, r.err, fmt.Sprintf(" while held by process %d: no time", os.Getpid()))
			require.Nil(t, r.release)
		}
		require.Empty(t, waiting[2])
		release()
		r := <-waiting[2]
		require.NoError(t, r.err)
		r.release()
		acquire(t, l)()
	})
}

func TestEndedContext(t *testing.T) {
	kinds(t, func(t *testing.T, newLease func(int) *lease.Lease) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("too late")
		cancel(why)
		_, err := newLease(1).Acquire(ctx)
		require.ErrorIs(t, err, why)
		require.EqualError(t, err, fmt.Sprintf("lease %q: too late", t.Name()))
	})
}

// A deadline is found as such, for callers that ask for it.
func TestDeadline(t *testing.T) {
	l, err := lease.New(t.Name(), lease.Options{})
	require.NoError(t, err)
	defer acquire(t, l)()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = l.Acquire(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// A token outlives the context that it was acquired with.
func TestReleaseAfterTheContext(t *testing.T) {
	kinds(t, func(t *testing.T, newLease func(int) *lease.Lease) {
		l := newLease(1)
		ctx, cancel := context.WithCancel(t.Context())
		release, err := l.Acquire(ctx)
		require.NoError(t, err)
		cancel()
		w := later(t.Context(), t, l)
		require.Empty(t, w)
		release()
		r := <-w
		require.NoError(t, r.err)
		r.release()
	})
}

// Leases of one name are one, also through another path to the folder, and
// those of another name or folder are not.
func TestSame(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	_ = os.Symlink(dir, link)
	if _, err := os.Stat(link); err != nil {
		link = filepath.Join(dir, ".") // no links here: another spelling at least
	}
	get := func(name, dir string) *lease.Lease {
		l, err := lease.New(name, lease.Options{Dir: dir})
		require.NoError(t, err)
		return l
	}
	here := get("same", "")
	defer acquire(t, here)()
	w := later(t.Context(), t, get("same", ""))

	there := acquire(t, get("same", dir))
	v := later(t.Context(), t, get("same", link))
	acquire(t, get("same", t.TempDir()))()
	acquire(t, get("Same", dir))()
	acquire(t, get("../same", dir))()
	require.Empty(t, w)
	require.Empty(t, v)
	there()
	r := <-v
	require.NoError(t, r.err)
	r.release()

	// The last waiter is let go by the deferred release of its lease.
	t.Cleanup(func() { (<-w).release() })
}

func TestNewRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := lease.New("twice", lease.Options{Tokens: 2})
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		o    lease.Options
		want string
	}{
		{"", lease.Options{}, `lease "": the name is empty`},
		{strings.Repeat("x", 81), lease.Options{}, "the name has 81 bytes, more than 80"},
		{"a\nb", lease.Options{}, `lease "a\nb": the name holds characters that are not printable`},
		{"gpu", lease.Options{Tokens: -1}, `lease "gpu": Tokens = -1, want 1 to 1024`},
		{"gpu", lease.Options{Tokens: math.MaxInt}, "want 1 to 1024"},
		{"gpu", lease.Options{Dir: file}, `lease "gpu": mkdir ` + file},
		{"twice", lease.Options{Tokens: 3}, `lease "twice": Tokens = 3, but this process has the lease with 2 already`},
		{"twice", lease.Options{}, "Tokens = 1, but"},
	} {
		_, err := lease.New(c.name, c.o)
		require.ErrorContains(t, err, c.want)
	}
	// The longest names have folders.
	_, err = lease.New(strings.Repeat("É", 40), lease.Options{Dir: t.TempDir()})
	require.NoError(t, err)
}

func TestHolders(t *testing.T) {
	kinds(t, func(t *testing.T, newLease func(int) *lease.Lease) {
		l := newLease(2)
		began := time.Now()
		release := acquire(t, l)
		holders, err := l.Holders()
		require.NoError(t, err)
		require.Len(t, holders, 1)
		require.Equal(t, os.Getpid(), holders[0].PID)
		require.WithinRange(t, holders[0].Since, began.Add(-time.Millisecond), time.Now())
		require.Equal(t, fmt.Sprintf("process %d", os.Getpid()), holders[0].String())
		release()
		holders, err = l.Holders()
		require.NoError(t, err)
		require.Empty(t, holders)
	})
}

func TestHolderString(t *testing.T) {
	require.Equal(t, "an unknown process", lease.Holder{}.String())
	require.Equal(t, "agent scgpt, activity embed_shard of the workflow w-1, process 4711",
		lease.Holder{PID: 4711, Agent: "scgpt", Activity: "embed_shard", WorkflowID: "w-1"}.String())
}

// waitInActivity acquires l inside of an activity while somebody else has it,
// until a heartbeat was recorded or is counted by l's own function. It returns
// what the heartbeats held.
func waitInActivity(t *testing.T, l *lease.Lease, details any, own <-chan lease.Wait) (beats []string) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	if details != nil {
		env.SetHeartbeatDetails(details)
	}
	recorded := make(chan string, 100)
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, v converter.EncodedValues) {
		beat := "none"
		if v.HasValues() {
			_ = v.Get(&beat)
		}
		recorded <- beat
	})
	env.RegisterActivityWithOptions(func(ctx context.Context) error {
		release := acquire(t, l)
		w := later(ctx, t, l)
		select {
		case beat := <-recorded:
			beats = append(beats, beat)
		case wait := <-own:
			require.Equal(t, l.Name(), wait.Lease)
			require.Zero(t, wait.Ahead)
			require.WithinRange(t, wait.Since, time.Now().Add(-time.Minute), time.Now())
		}
		release()
		r := <-w
		require.NoError(t, r.err)
		defer r.release()
		holders, err := l.Holders()
		require.NoError(t, err)
		require.Len(t, holders, 1)
		require.Equal(t, "compute", holders[0].Activity)
		require.Equal(t, activity.GetInfo(ctx).WorkflowExecution.ID, holders[0].WorkflowID)
		require.Equal(t, "embedder", holders[0].Agent)
		return nil
	}, activity.RegisterOptions{Name: "compute"})
	_, err := env.ExecuteActivity("compute")
	require.NoError(t, err)
	close(recorded)
	for beat := range recorded {
		beats = append(beats, beat)
	}
	return beats
}

func TestHeartbeats(t *testing.T) {
	get := func(f func(context.Context, lease.Wait)) *lease.Lease {
		l, err := lease.New(t.Name(), lease.Options{Agent: "embedder", Heartbeat: f})
		require.NoError(t, err)
		return l
	}
	// One beat, or more on a slow machine.
	once := func(beats []string) []string { return slices.Compact(beats) }
	require.Equal(t, []string{"none"}, once(waitInActivity(t, get(nil), nil, nil)))
	require.Equal(t, []string{"row 17"}, once(waitInActivity(t, get(nil), "row 17", nil)), "the next attempt would start from nothing")
	own := make(chan lease.Wait, 10)
	require.Empty(t, waitInActivity(t, get(func(_ context.Context, w lease.Wait) { own <- w }), nil, own))
}

// Nobody has more than the tokens, whatever happens at once.
func TestStress(t *testing.T) {
	kinds(t, func(t *testing.T, newLease func(int) *lease.Lease) {
		l := newLease(2)
		var inside, most, turns atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 40 {
					ctx, cancel := context.WithCancel(t.Context())
					if i%4 == 3 {
						go cancel()
					}
					release, err := l.Acquire(ctx)
					if err == nil {
						n := inside.Add(1)
						for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
						}
						turns.Add(1)
						runtime.Gosched()
						inside.Add(-1)
						release()
					}
					cancel()
				}
			})
		}
		wg.Wait()
		require.LessOrEqual(t, most.Load(), int64(2))
		require.GreaterOrEqual(t, turns.Load(), int64(240))
		require.Zero(t, l.Waiting())
		holders, err := l.Holders()
		require.NoError(t, err)
		require.Empty(t, holders)
	})
}

func BenchmarkAcquire(b *testing.B) {
	for name, o := range map[string]lease.Options{"process": {}, "machine": {Dir: b.TempDir()}} {
		b.Run(name, func(b *testing.B) {
			l, err := lease.New(b.Name(), o)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				release, err := l.Acquire(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				release()
			}
		})
	}
}
