package registry

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// patience bounds what a test waits for; nothing should come near it.
const patience = 30 * time.Second

// offline is a session without a process, and where the reason of its end is
// kept.
func offline(t testing.TB, log io.Writer) *session {
	t.Helper()
	reg := New(Options{Dial: (&fakeServer{}).dial, Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, reg.Register(newFakeAgent("a"), Process()))
	s := &session{childProcess: reg.agents["a"].processes.each[0], end: func() {}}
	s.board.enter(StateStarting)
	return s
}

var helloOfA = process.Message{Type: process.TypeHello, Hello: &process.Hello{Protocol: process.Version, Agent: "a", TaskQueue: "a-tasks"}}

// What a process may say at which time, and what becomes of it.
func TestSessionTakes(t *testing.T) {
	t.Parallel()
	status := func(text string) process.Message {
		return process.Message{Type: process.TypeStatus, Status: json.RawMessage(text)}
	}
	cases := map[string]struct {
		messages []process.Message
		reason   string
	}{
		"a hello":                     {[]process.Message{helloOfA}, ""},
		"nothing before the hello":    {[]process.Message{{Type: process.TypePong}}, `it does not speak the protocol of a child: its first message is "pong"`},
		"an empty hello":              {[]process.Message{{Type: process.TypeHello}}, "it does not speak the protocol of a child: an empty hello"},
		"a message of later times":    {[]process.Message{helloOfA, {Type: "song"}}, ""},
		"a pong without a ping":       {[]process.Message{helloOfA, {Type: process.TypePong, ID: 7}}, ""},
		"metrics nobody asked for":    {[]process.Message{helloOfA, {Type: process.TypeMetrics, ID: 7, Metrics: []byte("x")}}, ""},
		"an activity that is none":    {[]process.Message{helloOfA, {Type: process.TypeBegin, Status: json.RawMessage(`[]`)}}, "it does not speak the protocol of a child: activity: json: cannot unmarshal array"},
		"an empty log record":         {[]process.Message{helloOfA, {Type: process.TypeLog}}, ""},
		"a status that is none":       {[]process.Message{helloOfA, status(`7`)}, "it does not speak the protocol of a child: status: json: cannot unmarshal number"},
		"no status":                   {[]process.Message{helloOfA, {Type: process.TypeStatus}}, "it does not speak the protocol of a child: status: unexpected end of JSON input"},
		"a state that does not exist": {[]process.Message{helloOfA, status(`{"state": "drunk"}`)}, "it does not speak the protocol of a child: status: there is no state drunk"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := offline(t, io.Discard)
			for _, m := range c.messages {
				s.take(m)
			}
			if c.reason == "" {
				require.Empty(t, s.reason)
			} else {
				require.Contains(t, s.reason, c.reason)
			}
		})
	}
}

func TestSessionStatus(t *testing.T) {
	t.Parallel()
	s := offline(t, io.Discard)
	s.take(helloOfA)
	many := make([]RunningActivity, 2*maxReported)
	raw, err := json.Marshal(Status{State: StateReady, Ready: true, Identity: "a@host:7#1", Restarts: 2, Running: many})
	require.NoError(t, err)
	s.take(process.Message{Type: process.TypeStatus, Status: raw})
	got := s.supervisor.status()
	require.Equal(t, StateReady, got.State)
	require.True(t, got.Ready)
	require.Equal(t, 2, got.Restarts)
	require.Equal(t, "a@host:7#1", got.Identity)
	require.Len(t, got.Running, maxReported, "a child does not decide how much is kept")

	s.take(process.Message{Type: process.TypeStatus, Status: json.RawMessage(`{"state": "starting", "restarts": -5, "last_error": "no server"}`)})
	got = s.supervisor.status()
	require.Equal(t, StateStarting, got.State)
	require.Zero(t, got.Restarts)
	require.EqualError(t, got.LastError, "no server")
	require.Equal(t, "a-tasks", got.TaskQueue, "nor what the agent is")
}

// An activity that begins is known at once, once, and until a status says
// otherwise.
func TestActivityBegins(t *testing.T) {
	t.Parallel()
	s := offline(t, io.Discard)
	s.take(helloOfA)
	one := RunningActivity{Type: "work", WorkflowID: "w", Attempt: 1, Since: time.Unix(7, 0).UTC(), token: []byte("1")}
	two := one
	two.token = []byte("2")
	for _, a := range []RunningActivity{one, two, one} {
		s.take(process.Message{Type: process.TypeBegin, Status: encodeActivity(a)})
	}
	require.Equal(t, []RunningActivity{one, two}, s.supervisor.status().Running)
	s.take(process.Message{Type: process.TypeStatus, Status: json.RawMessage(`{"state": "ready"}`)})
	require.Empty(t, s.supervisor.status().Running)
	text, err := json.Marshal(Status{Running: []RunningActivity{one}})
	require.NoError(t, err)
	require.NotContains(t, strings.ToLower(string(text)), "token", "whoever has it could complete the activity")
}

// A status takes the place of what was said before, and nobody waits for a parent
// that does not read.
func TestOutboxDoesNotGrow(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe() // nobody reads yet
	out := &outbox{conn: process.NewConn(nil, w)}
	c := &child{out: out}
	first := out.put(process.Message{Type: process.TypePong})
	for range 100 {
		out.put(process.Message{Type: process.TypeStatus, Status: json.RawMessage(`{}`)})
	}
	began := time.Now()
	c.announce(RunningActivity{})
	require.Less(t, time.Since(began), patience)
	out.put(process.Message{Type: process.TypeStatus, Status: json.RawMessage(`{"state": "ready"}`)})
	out.mu.Lock()
	require.LessOrEqual(t, len(out.queue), 2)
	out.mu.Unlock()
	conn := process.NewConn(r, nil)
	for {
		m, err := conn.Receive()
		require.NoError(t, err)
		if string(m.Status) == `{"state":"ready"}` {
			break
		}
	}
	<-first
	out.flush()
}

func TestStatusTravels(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	want := Status{
		Agent: "a", TaskQueue: "q", Namespace: "n", State: StateReady, Ready: true, Since: now, Doing: "d", Restarts: 3,
		Identity: "i", Details: map[string]string{"device": "cuda:0"}, Workflows: []string{"W"}, Activities: []string{"a"},
		Running: []RunningActivity{{Type: "a", WorkflowID: "w", Attempt: 2, Since: now, Ended: now, token: []byte("t"), id: 7}},
	}
	raw, err := encodeStatus(want)
	require.NoError(t, err)
	got, err := decodeStatus(raw)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// Pings that are not answered are counted, so that a parent that was itself
// held for a minute does not blame its children.
func TestUnansweredPings(t *testing.T) {
	t.Parallel()
	s := offline(t, io.Discard)
	s.take(helloOfA)
	s.opts.AnswerTimeout = 3 * pingInterval
	s.ping, s.unanswered = 5, true
	s.sendPing()
	s.sendPing()
	require.Empty(t, s.reason)
	s.take(process.Message{Type: process.TypePong, ID: 4})
	require.True(t, s.unanswered, "an answer to another question")
	s.take(process.Message{Type: process.TypePong, ID: 5})
	require.False(t, s.unanswered)
	require.Zero(t, s.missed)
	s.unanswered = true
	for range 3 {
		s.sendPing()
	}
	require.Equal(t, "it did not answer for 3s", s.reason)
}

// A record goes the whole way: from a logger of the child to the parent's log.
func TestLogTravels(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	parentR, childW := process.NewConn(r, nil), process.NewConn(nil, w)
	queue := &outbox{conn: childW}
	warnings := slog.NewTextHandler(new(syncBuffer), &slog.HandlerOptions{Level: slog.LevelWarn})
	log := slog.New(&childHandler{out: queue, wanted: warnings}).With("agent", "a").WithGroup("g").With("n", 1)
	require.False(t, log.Enabled(t.Context(), slog.LevelInfo))
	log.Info("not wanted")
	log.Warn("first", "yes", true, slog.Group("inner", "pi", 3.14, "err", io.EOF), "f", func() {}, "t", time.Unix(0, 0).UTC())
	log.Error("second")

	var out syncBuffer
	s := offline(t, &out)
	s.take(helloOfA)
	for range 2 {
		m, err := parentR.Receive()
		require.NoError(t, err)
		s.take(m)
	}
	queue.flush()
	lines := out.lines()
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], `level=WARN msg=first process=0 agent=a g.n=1 g.yes=true g.inner.pi=3.14 g.inner.err=EOF g.f=0x`)
	require.Contains(t, lines[0], ` g.t=1970-01-01T00:00:00Z`)
	require.Contains(t, lines[1], `level=ERROR msg=second process=0 agent=a g.n=1`)
}

// An agent that logs more than its parent reads goes on, and the gap is told.
func TestLogFlood(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe() // nobody reads yet
	queue := &outbox{conn: process.NewConn(nil, w)}
	log := slog.New(&childHandler{out: queue, wanted: slog.NewTextHandler(new(syncBuffer), nil)})
	for range 3 * maxQueued {
		log.Info("again")
	}
	received := make(chan int)
	go func() {
		lost, n := 0, 0
		for c := process.NewConn(r, nil); ; n++ {
			m, err := c.Receive()
			if err != nil {
				received <- n + lost
				return
			}
			lost += m.Record.Lost
		}
	}()
	queue.flush()
	log.Info("the last")
	queue.flush()
	require.NoError(t, w.Close())
	require.Equal(t, 3*maxQueued+1, <-received)
}

// FuzzSession: whatever a process sends, its parent stands, and what it holds
// stays bounded.
func FuzzSession(f *testing.F) {
	f.Add([]byte(`{"type": "hello", "hello": {"protocol": 1, "agent": "a", "task_queue": "a-tasks"}}`), []byte(`{"type": "pong", "id": 1, "usage": {"resident": -1}}`))
	f.Add([]byte(`{"type": "status", "status": {"state": "ready", "running": [{"since": "2026-01-01T00:00:00Z", "ended": "0001-01-01T00:00:00Z"}]}}`), []byte(`{"type": "bye", "error": "x", "final": true}`))
	f.Add([]byte(`{"type": "log", "record": {"level": 8, "attrs": [{"k": "", "v": {"a": [null]}}]}}`), []byte(`{"type": "metrics", "metrics": "AAAA"}`))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		s := offline(t, io.Discard)
		s.take(helloOfA)
		for _, text := range [][]byte{one, two} {
			var m process.Message
			if json.Unmarshal(text, &m) != nil {
				continue
			}
			s.take(m)
			s.checkOverdue()
		}
		status := s.supervisor.status()
		require.LessOrEqual(t, len(status.Running), maxReported)
		_, err := json.Marshal(status)
		require.NoError(t, err)
	})
}

// In a child, a registry runs that one agent, and says what becomes of it.
func TestChild(t *testing.T) {
	t.Parallel()
	p := joined(t, "a")
	reg := p.registry(t)
	a, b := newFakeAgent("a"), newFakeAgent("b")
	b.onStart = func(context.Context) error { t.Error("b was started"); return nil }
	require.NoError(t, reg.Register(a, Process()))
	require.NoError(t, reg.Register(b))
	ended := make(chan error, 1)
	go func() { ended <- reg.Run(t.Context()) }()

	require.Equal(t, &process.Hello{Protocol: process.Version, Module: version(), Agent: "a", TaskQueue: "a-tasks"}, p.next(t, process.TypeHello).Hello)
	for {
		s, err := decodeStatus(p.next(t, process.TypeStatus).Status)
		require.NoError(t, err)
		if s.Ready {
			break
		}
	}
	require.NoError(t, p.conn.Send(process.Message{Type: process.TypePing, ID: 7}))
	pong := p.next(t, process.TypePong)
	require.EqualValues(t, 7, pong.ID)
	require.Positive(t, pong.Usage.Goroutines)
	require.NoError(t, p.conn.Send(process.Message{Type: "song"}))
	require.NoError(t, p.conn.Send(process.Message{Type: process.TypeGather, ID: 8}))
	require.Empty(t, p.next(t, process.TypeMetrics).Metrics, "the observer has none")
	require.NoError(t, p.conn.Send(process.Message{Type: process.TypeDrain, Left: time.Second}))
	require.Equal(t, process.Message{Type: process.TypeBye}, p.next(t, process.TypeBye))
	require.NoError(t, <-ended)

	p.hangUp(t)
	require.Equal(t, orphaned, <-p.exited)
}

// A parent that speaks nonsense, or is gone, ends its child.
func TestChildLosesItsParent(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]string{"is gone": "", "speaks nonsense": "Come home, child, dinner is ready!"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := joined(t, "a")
			reg := p.registry(t)
			require.NoError(t, reg.Register(newFakeAgent("a")))
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- reg.Run(ctx) }()
			p.next(t, process.TypeStatus)
			_, err := io.WriteString(p.w, last)
			require.NoError(t, err)
			p.hangUp(t)
			require.Equal(t, orphaned, <-p.exited)
			cancel()
			require.NoError(t, <-ended)
		})
	}
}

// parentOf is the parent of a child in this process.
type parentOf struct {
	conn   *process.Conn
	r      io.Closer
	w      io.WriteCloser
	child  *child
	exited chan int
}

func joined(t *testing.T, agent string) *parentOf {
	t.Helper()
	toChild, w, err := os.Pipe()
	require.NoError(t, err)
	r, fromChild, err := os.Pipe()
	require.NoError(t, err)
	p := &parentOf{conn: process.NewConn(r, w), r: r, w: w, exited: make(chan int, 1)}
	conn := process.NewConn(toChild, fromChild)
	p.child = newChild(conn, process.Hello{Protocol: process.Version, Agent: agent}, func(code int) { p.exited <- code })
	t.Cleanup(func() {
		_ = conn.Close()
		_ = p.conn.Close()
	})
	return p
}

func (p *parentOf) registry(t *testing.T) *Registry {
	t.Helper()
	reg, _ := newFake()
	reg.become(p.child, nil)
	return reg
}

// next skips messages of other types.
func (p *parentOf) next(t *testing.T, want process.Type) process.Message {
	t.Helper()
	for {
		m, err := p.conn.Receive()
		require.NoError(t, err)
		if m.Type == want {
			return m
		}
	}
}

// hangUp closes the parent's writing end; what the child writes goes on to be
// read.
func (p *parentOf) hangUp(t *testing.T) {
	t.Helper()
	go func() {
		for {
			if _, err := p.conn.Receive(); err != nil {
				return
			}
		}
	}()
	require.NoError(t, p.w.Close())
}

// A program of another version of the protocol says so, in its hello, and its parent
// gives it up.
func TestProgramOfAnotherVersion(t *testing.T) {
	t.Parallel()
	program, err := process.Start(process.Spec{
		Path: os.Args[0], Output: io.Discard,
		Env: append(os.Environ(), roleVariable+"=works", folderVariable+"="+t.TempDir()),
	})
	require.NoError(t, err)
	defer func() {
		program.Kill()
		<-program.Exited()
		require.NoError(t, program.Close())
	}()
	stranger := process.Hello{Protocol: process.Version + 1, Module: "v9.9.9", Agent: "a"}
	require.NoError(t, program.Send(process.Message{Type: process.TypeHello, Hello: &stranger}))
	m, err := program.Receive()
	require.NoError(t, err, "it ended without a word")
	require.Equal(t, process.Message{Type: process.TypeHello, Hello: &process.Hello{Protocol: process.Version, Module: version()}}, m)
	<-program.Exited()
	require.Equal(t, "exit status 1", program.Exit())
	require.Contains(t, program.Output(), "the other side (module version v9.9.9) speaks version 2 of the protocol between processes, this one version 1")

	m.Hello.Protocol++ // as a parent of the other version sees it
	s := offline(t, io.Discard)
	s.child = program
	s.take(m)
	require.True(t, permanent(s.epitaph(t.Context(), nil)))
	require.ErrorContains(t, s.fault, "build both from one version of the module")
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	env := []string{"TEMPORAL_API_KEY=sesame-open", "my_token=another one", "PATH=/usr/bin:/bin", "KEY=1", "SECRET_SETTING"}
	require.Equal(t, "key [TEMPORAL_API_KEY], [my_token] at /usr/bin:/bin, 1",
		redacted("key sesame-open, another one at /usr/bin:/bin, 1", env))
	require.Equal(t, strings.Repeat("[my_token]", 2), redacted("another oneanother one", env))
}

// Whatever the clock says, an activity has as many ping intervals to end.
func TestOverdue(t *testing.T) {
	t.Parallel()
	report := func(s *session, running ...RunningActivity) {
		raw, err := encodeStatus(Status{State: StateReady, Running: running})
		require.NoError(t, err)
		s.take(process.Message{Type: process.TypeStatus, Status: raw})
	}
	begun := time.Now()
	for name, ended := range map[string]time.Time{"clock set forward": begun.Add(-time.Hour), "clock set back": begun.Add(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := offline(t, io.Discard)
			s.opts.OverdueTimeout = 2 * pingInterval
			s.take(helloOfA)
			one := RunningActivity{Type: "work", WorkflowID: "w", Since: begun, Ended: ended}
			other := RunningActivity{Type: "work", WorkflowID: "w", Since: begun.Add(time.Nanosecond)}
			report(s, one, other)
			for range 3 {
				s.checkOverdue()
			}
			report(s, other) // one has ended, and the other, which is like it, begins to be late
			other.Ended = ended
			report(s, other)
			for range 3 {
				s.checkOverdue()
				require.Empty(t, s.reason)
			}
			s.checkOverdue()
			require.Regexp(t, `^activity work of workflow w .* goes on 3s after its context ended$`, s.reason)
		})
	}
}

// The agent's last error is that which its processes reported last, whatever time
// they say it has, and by a clock that stands still: a tick of Windows' takes long.
func TestLastError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := New(Options{Dial: (&fakeServer{}).dial, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, reg.Register(newFakeAgent("a"), Process(ProcessOptions{}, ProcessOptions{})))
		var sessions []*session
		for _, p := range reg.agents["a"].processes.each {
			s := &session{childProcess: p, end: func() {}}
			s.take(helloOfA)
			sessions = append(sessions, s)
		}
		for _, step := range []struct {
			from         int
			report, want string
		}{
			{0, `{"state": "starting"}`, ""},
			{0, `{"state": "starting", "last_error": "first", "last_error_at": "9999-01-01T00:00:00Z"}`, "first"},
			{1, `{"state": "starting", "last_error": "second"}`, "second"},
			{0, `{"state": "ready", "last_error": "first", "last_error_at": "9999-01-01T00:00:00Z"}`, "second"},
			{0, `{"state": "starting", "last_error": "first", "last_error_at": "2001-01-01T00:00:00Z"}`, "first"},
			{1, `{"state": "ready", "last_error": "second"}`, "first"},
		} {
			sessions[step.from].take(process.Message{Type: process.TypeStatus, Status: json.RawMessage(step.report)})
			s := agentStatus(t, reg)
			if step.want == "" {
				require.NoError(t, s.LastError)
				require.Zero(t, s.LastErrorAt)
				continue
			}
			require.EqualError(t, s.LastError, step.want)
			require.Equal(t, time.Now(), s.LastErrorAt)
		}
	})
}
