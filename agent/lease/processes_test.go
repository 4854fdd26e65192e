package lease_test

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/agent/lease"
)

// processes returns leases of one folder that behave as those of n processes.
func processes(t *testing.T, n int, o lease.Options) (all []*lease.Lease) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	for range n {
		lease.Forget()
		l, err := lease.New("gpu", o)
		require.NoError(t, err)
		all = append(all, l)
	}
	return all
}

func tickets(t *testing.T, l *lease.Lease) int {
	t.Helper()
	names, err := l.Tickets()
	require.NoError(t, err)
	return len(names)
}

// inLine acquires later, and returns when the process has a ticket.
func inLine(t *testing.T, l *lease.Lease) <-chan result {
	t.Helper()
	before := tickets(t, l)
	w := later(t.Context(), t, l)
	require.Eventually(t, func() bool { return tickets(t, l) > before }, 10*time.Second, time.Millisecond)
	return w
}

func TestProcessesShareTokens(t *testing.T) {
	p := processes(t, 3, lease.Options{Tokens: 2})
	release := acquire(t, p[0])
	acquire(t, p[1])()
	defer acquire(t, p[1])()
	w := inLine(t, p[2])
	require.Empty(t, w)
	release()
	r := <-w
	require.NoError(t, r.err)
	r.release()
}

// Processes come in the order in which they began to wait. One that asks again
// at once comes last.
func TestProcessesAreFair(t *testing.T) {
	p := processes(t, 3, lease.Options{})
	release := acquire(t, p[0])
	first := inLine(t, p[1])
	second := inLine(t, p[2])
	again := inLine(t, p[0])
	order := []<-chan result{first, second, again}
	for i, w := range order {
		release()
		r := <-w
		require.NoError(t, r.err)
		release = r.release
		for _, later := range order[i+1:] {
			require.Empty(t, later)
		}
	}
	release()
	require.Zero(t, tickets(t, p[0]))
}

// A process that is never without somebody in line can't starve the others.
func TestBusyProcess(t *testing.T) {
	p := processes(t, 2, lease.Options{})
	stop := make(chan struct{})
	var turns atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				release, err := p[0].Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				turns.Add(1)
				release()
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	require.Eventually(t, func() bool { return turns.Load() > 10 }, 10*time.Second, time.Millisecond)
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		release, err := p[1].Acquire(ctx)
		cancel()
		require.NoError(t, err)
		release()
	}
}

// child returns a process that is this test in another role.
func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	c.Stderr = t.Output()
	return c
}

// hold is a child that has a token until it is killed.
func hold(l *lease.Lease, _ string) error {
	if _, err := l.Acquire(context.Background()); err != nil {
		return err
	}
	fmt.Println("has it")
	time.Sleep(time.Hour) // an empty select would be a deadlock where nothing else runs
	return nil
}

// holdInChild starts a process that holds the token, for the test to kill.
func holdInChild(t *testing.T, dir string) (kill func()) {
	t.Helper()
	c := child(t, "hold", dir)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	kill = sync.OnceFunc(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	t.Cleanup(kill)
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "has it", strings.TrimSpace(said))
	return kill
}

const countsPerChild = 10

// count is a child that counts in a file, which goes wrong if two do it at once.
func count(l *lease.Lease, dir string) error {
	path := filepath.Join(dir, "count")
	one := func() error {
		release, err := l.Acquire(context.Background())
		if err != nil {
			return err
		}
		defer release()
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(text))
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(strconv.Itoa(n+1)), 0o600)
	}
	for range countsPerChild {
		if err := one(); err != nil {
			return err
		}
	}
	return nil
}

func TestProcessesExcludeEachOther(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "count")
	require.NoError(t, os.WriteFile(path, []byte("0"), 0o600))
	children := make([]*exec.Cmd, 3)
	for i := range children {
		children[i] = child(t, "count", dir)
		require.NoError(t, children[i].Start())
	}
	for _, c := range children {
		require.NoError(t, c.Wait())
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(len(children)*countsPerChild), string(text))
}

// A process that is killed leaves no lock behind.
func TestKilledHolder(t *testing.T) {
	dir := t.TempDir()
	kill := holdInChild(t, dir)
	l, err := lease.New("gpu", lease.Options{Dir: dir})
	require.NoError(t, err)
	holders, err := l.Holders()
	require.NoError(t, err)
	require.Len(t, holders, 1)
	require.Equal(t, "child", holders[0].Agent)
	require.NotEqual(t, os.Getpid(), holders[0].PID)
	require.Positive(t, holders[0].PID)

	w := inLine(t, l)
	require.Empty(t, w)
	kill()
	r := <-w
	require.NoError(t, r.err)
	defer r.release()
	holders, err = l.Holders()
	require.NoError(t, err)
	require.Len(t, holders, 1)
	require.Equal(t, os.Getpid(), holders[0].PID)
}

// The ticket of a process that died while it waited holds nobody up.
func TestDeadTicket(t *testing.T) {
	l := processes(t, 1, lease.Options{})[0]
	for _, number := range []uint64{0, 1, 1<<64 - 1} {
		path := filepath.Join(l.Folder(), lease.TicketName(number))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(-time.Minute)))
	}
	release := acquire(t, l)
	require.Zero(t, tickets(t, l), "dead tickets are removed")
	w := inLine(t, l)
	release()
	r := <-w
	require.NoError(t, r.err)
	r.release()
	require.Zero(t, tickets(t, l))
}

func TestTicketNames(t *testing.T) {
	require.Less(t, lease.TicketName(9), lease.TicketName(10))
	number, ok := lease.TicketNumber(lease.TicketName(1<<64 - 1))
	require.True(t, ok)
	require.Equal(t, uint64(1<<64-1), number)
	for _, name := range []string{"", "0.lock", "wait-", "wait-1", strings.Replace(lease.TicketName(1), "0", "x", 1), lease.TicketName(1) + "x"} {
		_, ok := lease.TicketNumber(name)
		require.False(t, ok, name)
	}
}

// What stands in a token's file is for messages; nothing depends on it.
func TestDamagedHolder(t *testing.T) {
	l := processes(t, 1, lease.Options{})[0]
	for _, text := range []string{"", "{", `{"pid": "x"}`, "[]", "\x00", `{"pid": 7} and more`, strings.Repeat("[", 1<<20)} {
		require.NoError(t, os.WriteFile(l.TokenFile(), []byte(text), 0o600))
		holders, err := l.Holders()
		require.NoError(t, err)
		require.Empty(t, holders, "nobody has locked it")
		release := acquire(t, l)
		holders, err = l.Holders()
		require.NoError(t, err)
		require.Equal(t, os.Getpid(), holders[0].PID)
		require.NoError(t, os.WriteFile(l.TokenFile(), []byte(text), 0o600))
		holders, err = l.Holders()
		require.NoError(t, err)
		require.Len(t, holders, 1)
		release()
	}
}

// A folder or file that can't be used is an error that names it.
func TestUnusable(t *testing.T) {
	l := processes(t, 1, lease.Options{})[0]
	require.NoError(t, os.Mkdir(l.TokenFile(), 0o750))
	_, err := l.Acquire(t.Context())
	require.ErrorContains(t, err, `lease "gpu": open `+l.TokenFile())
	_, err = l.Holders()
	require.ErrorContains(t, err, `lease "gpu": open `+l.TokenFile())

	require.NoError(t, os.RemoveAll(l.Folder()))
	_, err = l.Acquire(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Zero(t, l.Waiting())
}
