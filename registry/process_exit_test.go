package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// afterRun are what main does after Run, by role.
var afterRun = map[string]func(t *troupe){
	"flushes": func(t *troupe) {
		time.Sleep(300 * time.Millisecond) // stands for a server that is slow to take it
		_ = os.WriteFile(filepath.Join(t.folder, "flushed"), nil, 0o600)
	},
	"does not exit":                  func(*troupe) { hang() },
	"is corrupt and does not exit":   func(*troupe) { hang() },
	"stops badly and does not exit":  func(*troupe) { hang() },
	"ends by itself and hangs after": func(*troupe) { hang() },
}

// hang lets nothing more happen. An empty select would end the program, as Go's
// deadlock detector does, where no other goroutine can run.
func hang() { time.Sleep(time.Hour) }

func (t *troupe) hangs(role string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reg := New(Options{Dial: t.server.dial})
	reg.newWorker = t.server.newWorker
	a := newFakeAgent("a")
	switch role {
	case "is corrupt and does not exit":
		a.onStart = func(ctx context.Context) error { return roles["is corrupt"](ctx, t) }
	case "stops badly and does not exit":
		a.onStop = func(context.Context) error { return errors.New("the GPU is gone") }
	case "ends by itself and hangs after":
		if t.first() {
			a.onStart = func(context.Context) error { cancel(); return nil }
		}
	}
	err := errors.Join(reg.Register(a), reg.Run(ctx))
	afterRun[role](t)
	if err != nil {
		return 1
	}
	return 0
}

// What a program does after Run is a part of the stop: it has the time that is left,
// and no more.
func TestProcessExits(t *testing.T) {
	t.Parallel()
	for role, c := range map[string]struct {
		timeout time.Duration // of the stop
		killed  bool
		err     string
	}{
		"flushes":                       {time.Hour, false, ""},
		"does not exit":                 {2 * time.Second, true, ""},
		"stops badly and does not exit": {2 * time.Second, true, "the GPU is gone"},
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			var log syncBuffer
			o := inRole(t, role)
			o.ExitTimeout = time.Millisecond // holds elsewhere
			reg, stop := runProcesses(t, Options{StopTimeout: c.timeout, Logger: slog.New(slog.NewTextHandler(&log, nil))}, o)
			pid := waitReady(t, reg).Processes[0].PID
			err := stop()
			if c.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.err)
				require.NotContains(t, err.Error(), "did not stop")
			}
			gone(t, pid)
			require.Equal(t, c.killed, strings.Contains(strings.Join(log.lines(), "\n"), "Killed a process whose agent had stopped"))
			_, err = os.Stat(filepath.Join(strings.TrimPrefix(o.Env[1], folderVariable+"="), "flushed"))
			require.Equal(t, c.killed, err != nil)
		})
	}
}

// An error that is final stays so where the program does not exit after it, and one
// that ends without an error is replaced.
func TestProcessDoesNotExit(t *testing.T) {
	t.Parallel()
	t.Run("after an error", func(t *testing.T) {
		t.Parallel()
		o := inRole(t, "is corrupt and does not exit")
		o.ExitTimeout = time.Millisecond
		reg, stop := runProcesses(t, Options{}, o)
		s := eventually(t, reg, "it did not fail", func(s Status) bool { return s.State == StateFailed })
		require.EqualError(t, s.LastError, "start: best_model.pt: no tensors")
		require.Zero(t, s.Restarts)
		require.Error(t, stop())
	})
	t.Run("for no reason", func(t *testing.T) {
		t.Parallel()
		o := inRole(t, "ends by itself and hangs after")
		o.ExitTimeout = time.Millisecond
		reg, _ := runProcesses(t, Options{StopTimeout: time.Second}, o)
		s := eventually(t, reg, "it was not replaced", func(s Status) bool { return s.Restarts == 1 && s.Ready })
		require.ErrorContains(t, s.LastError, "was ended: it did not exit within 1ms after its last word (ProcessOptions.ExitTimeout)")
	})
}

// A program that does not reach Run is ended, also where it does not read as much as
// there is to be said.
func TestProcessDoesNotStart(t *testing.T) {
	t.Parallel()
	for name, orphans := range map[string]int{"": 0, "much to say": maxOrphans} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := inRole(t, "says nothing")
			o.StartTimeout = 50 * time.Millisecond
			reg := New(Options{
				Dial: (&fakeServer{}).dial, Logger: slog.New(slog.DiscardHandler),
				BackOff: BackOff{Initial: time.Millisecond, Max: time.Millisecond},
			})
			require.NoError(t, reg.Register(newFakeAgent("a"), Process(o)))
			p := reg.agents["a"].processes.each[0]
			for i := range orphans {
				p.orphans = append(p.orphans, bytes.Repeat([]byte(fmt.Sprint(i)), 2000))
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- reg.Run(ctx) }()
			s := eventually(t, reg, "no end", func(s Status) bool { return s.Restarts > 0 && s.Processes[0].LastWords != nil })
			require.Equal(t, "it did not introduce itself within 50ms (ProcessOptions.StartTimeout): does its program call Run of a registry?", s.Processes[0].LastWords.Reason)
			cancel()
			require.NoError(t, <-ended)
		})
	}
}
