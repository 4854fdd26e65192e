package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// completer is a client that answers completions of activities by their token, in
// turn, the last one again and again.
type completer struct {
	client.Client
	answers map[string][]error
	calls   []string
}

func (c *completer) CompleteActivity(_ context.Context, token []byte, _ any, _ error) error {
	c.calls = append(c.calls, string(token))
	answers := c.answers[string(token)]
	if len(answers) == 0 {
		return nil
	}
	if len(answers) > 1 {
		c.answers[string(token)] = answers[1:]
	}
	return answers[0]
}

// The server is told of orphans until it knows, and the parent which it knows.
func TestOrphansAreReported(t *testing.T) {
	t.Parallel()
	away := serviceerror.NewUnavailable("no server")
	for name, c := range map[string]struct {
		answers map[string][]error
		life    time.Duration // of the worker
		told    []string
		kept    string
		calls   int
		lines   int // in the log
	}{
		"at once":                {nil, time.Hour, []string{"1 2"}, "", 2, 0},
		"over already":           {map[string][]error{"1": {serviceerror.NewNotFound("it is over")}}, time.Hour, []string{"1 2"}, "", 2, 0},
		"refused":                {map[string][]error{"2": {serviceerror.NewInvalidArgument("no token")}}, time.Hour, []string{"1 2"}, "", 2, 1},
		"the server is away":     {map[string][]error{"1": {away, away, nil}}, time.Hour, []string{"2", "1"}, "", 4, 1},
		"the server stays away":  {map[string][]error{"1": {away}, "2": {away}}, orphanPause + time.Second, nil, "1 2", 4, 1},
		"the worker ends before": {map[string][]error{"2": {away, nil}}, time.Second, []string{"1"}, "2", 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var (
					told []string
					log  syncBuffer
				)
				o := &orphans{tokens: [][]byte{[]byte("1"), []byte("2")}, cause: "it was killed", told: func(tokens [][]byte) {
					told = append(told, joinTokens(tokens))
				}}
				server := &completer{answers: c.answers}
				reporting := o.report(t.Context(), server, slog.New(slog.NewTextHandler(&log, nil)))
				time.Sleep(c.life)
				reporting.Wait()
				require.Equal(t, c.told, told)
				require.Equal(t, c.kept, joinTokens(o.tokens))
				require.Len(t, server.calls, c.calls)
				require.Equal(t, c.lines, strings.Count(strings.Join(log.lines(), "\n"), "level=WARN"))

				// The next worker goes on with what is left.
				server.answers = nil
				reporting = o.report(t.Context(), server, slog.New(slog.DiscardHandler))
				synctest.Wait()
				reporting.Wait()
				require.Empty(t, o.tokens)
			})
		})
	}
	var none *orphans
	none.report(t.Context(), nil, nil).Wait()
}

func joinTokens(tokens [][]byte) string {
	parts := make([]string, len(tokens))
	for i, token := range tokens {
		parts[i] = string(token)
	}
	return strings.Join(parts, " ")
}

// Orphans are handed on until a process says that they are reported, whatever
// becomes of processes in between.
func TestOrphansAreKept(t *testing.T) {
	t.Parallel()
	s := offline(t, io.Discard)
	s.take(helloOfA)
	died := func(pid int, tokens ...string) error {
		words := &ProcessError{PID: pid, Exit: "signal: killed"}
		for _, token := range tokens {
			words.Running = append(words.Running, RunningActivity{Type: "work", token: []byte(token)})
		}
		words.Running = append(words.Running, RunningActivity{Type: "local"})
		return words
	}
	reported := func(tokens ...string) {
		m := process.Message{Type: process.TypeReported}
		for _, token := range tokens {
			m.Tokens = append(m.Tokens, []byte(token))
		}
		s.take(m)
	}
	for _, step := range []struct {
		do         func()
		want, last string
	}{
		{func() { s.ended(died(1, "one", "two")) }, "one two", "process 1 "},
		{func() { s.ended(errors.New("start: cannot allocate memory")) }, "one two", "process 1 "},
		{func() { s.ended(died(2)) }, "one two", "process 1 "},
		{func() { s.ended(permanentError{errors.New("corrupt")}) }, "one two", "process 1 "},
		{func() { reported("two", "of someone else") }, "one", "process 1 "},
		{func() { s.ended(died(3, "three")) }, "one three", "process 3 "},
		{func() { reported("one", "three") }, "", "process 3 "},
	} {
		step.do()
		require.Equal(t, step.want, joinTokens(s.orphans))
		require.True(t, strings.HasPrefix(s.cause, step.last), s.cause)
	}
	for i := range 2 * maxOrphans {
		s.ended(died(4, fmt.Sprint(i)))
	}
	require.Len(t, s.orphans, maxOrphans)
	require.Equal(t, fmt.Sprint(2*maxOrphans-1), string(s.orphans[maxOrphans-1]), "the latest are kept")
}

// A process tells its parent which orphans are reported.
func TestChildReportsOrphans(t *testing.T) {
	t.Parallel()
	p := joined(t, "a")
	p.child.hello.Orphans = [][]byte{[]byte("1"), []byte("2")}
	reg := p.registry(t)
	dial := reg.options.Dial
	reg.options.Dial = func(ctx context.Context, agent string) (client.Client, error) {
		c, err := dial(ctx, agent)
		return &fakeCompleter{fakeClient: c.(*fakeClient)}, err
	}
	require.NoError(t, reg.Register(newFakeAgent("a")))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- reg.Run(ctx) }()
	require.Equal(t, "1 2", joinTokens(p.next(t, process.TypeReported).Tokens))
	cancel()
	require.NoError(t, <-ended)
	p.hangUp(t)
	require.Equal(t, orphaned, <-p.exited)
}

type fakeCompleter struct{ *fakeClient }

func (*fakeCompleter) CompleteActivity(context.Context, []byte, any, error) error { return nil }
