package registry

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-ab6af24b/troupe/internal/processtest"
)

// inRole are the options of a process in a role.
func inRole(t *testing.T, role string) ProcessOptions {
	t.Helper()
	return ProcessOptions{
		Args: []string{}, Output: io.Discard,
		Env: []string{
			roleVariable + "=" + role, folderVariable + "=" + t.TempDir(),
			"GORACE=atexit_sleep_ms=0", // by default the race detector takes a second to exit
		},
	}
}

// runProcesses runs the agent "a" in processes until the returned function
// stops it.
func runProcesses(t *testing.T, o Options, each ...ProcessOptions) (reg *Registry, stop func() error) {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Dial = (&fakeServer{}).dial // never called: the agent is not in this process
	if o.BackOff.Initial == 0 {
		o.BackOff = BackOff{Initial: 10 * time.Millisecond, Max: 100 * time.Millisecond}
	}
	reg = New(o)
	require.NoError(t, reg.Register(newFakeAgent("a"), Process(each...)))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- reg.Run(ctx) }()
	stopped := false
	stop = func() error {
		cancel()
		stopped = true
		return <-ended
	}
	t.Cleanup(func() {
		if !stopped {
			_ = stop()
		}
	})
	return reg, stop
}

func waitReady(t *testing.T, reg *Registry) Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, reg.WaitReady(ctx))
	return agentStatus(t, reg)
}

func agentStatus(t *testing.T, reg *Registry) Status {
	t.Helper()
	s, err := reg.AgentStatus("a")
	require.NoError(t, err)
	return s
}

// eventually waits for a status of the agent.
func eventually(t *testing.T, reg *Registry, what string, ok func(Status) bool) Status {
	t.Helper()
	var s Status
	require.Eventually(t, func() bool {
		s = agentStatus(t, reg)
		return ok(s)
	}, patience, 5*time.Millisecond, what)
	return s
}

func gone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return !processtest.Alive(pid) }, 5*time.Second, 5*time.Millisecond, "process %d lives on", pid)
}

func TestProcess(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	reg, stop := runProcesses(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, inRole(t, "works"))
	s := waitReady(t, reg)
	require.Len(t, s.Processes, 1)
	p := s.Processes[0]
	require.NotZero(t, p.PID)
	require.NotEqual(t, os.Getpid(), p.PID)
	require.True(t, processtest.Alive(p.PID))
	require.Contains(t, s.Identity, ":"+strconv.Itoa(p.PID)+"#1")
	require.Equal(t, StateReady, p.State)
	require.Zero(t, s.Restarts)
	require.NoError(t, s.LastError)
	if processtest.CountsMemory {
		eventually(t, reg, "no memory in use", func(s Status) bool { return s.Processes[0].ResidentBytes > 1<<20 })
	}

	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.Contains(t, string(text), `"processes":[{"instance":0,"pid":`+strconv.Itoa(p.PID)+`,"state":"ready"`)

	require.NoError(t, stop())
	require.False(t, processtest.Alive(p.PID))
	require.Equal(t, StateStopped, agentStatus(t, reg).State)
	story := strings.Join(log.lines(), "\n")
	require.Contains(t, story, `msg="Agent is ready" process=0 agent=a taskQueue=a-tasks`)
	require.Contains(t, story, `msg="Agent stopped" process=0 agent=a`)
}

// A process that ends is replaced, and what is known of its end is told.
func TestProcessEnds(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change               func(*ProcessOptions)
		exit, reason, output string
	}{
		"exits":                 {exit: "exit status 7", output: "the key is [TEST_API_KEY]"},
		"panics in a goroutine": {exit: "exit status 2", output: "panic: boom"},
		"segfaults":             {exit: processtest.SegfaultExit, output: processtest.SegfaultWords},
		"is killed":             {exit: processtest.KilledExit},
		"takes all memory": {func(o *ProcessOptions) { o.MemoryLimit = 256 << 20 },
			"exit status 2", "", "out of memory"}, // in a cgroup it is killed instead
		"sends garbage": {exit: processtest.KilledExit,
			reason: `it does not speak the protocol of a child: a frame of 1214606444 bytes, more than 4194304: "Hell"`},
		"is overdue": {func(o *ProcessOptions) { o.OverdueTimeout = 100 * time.Millisecond },
			processtest.KilledExit, "activity work of workflow w1 (attempt 1", ""},
	}
	for role, c := range cases {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			o := inRole(t, role)
			o.Env = append(o.Env, "TEST_API_KEY=sesame-open")
			if c.change != nil {
				c.change(&o)
			}
			if raceDetector && o.MemoryLimit > 0 {
				t.Skip("the race detector's own memory counts against RLIMIT_DATA")
			}
			if o.MemoryLimit > 0 && !processtest.LimitsMemory() {
				t.Skip("nothing limits the memory of a process here: macOS and the BSDs have no limit that counts, Wine none of a job")
			}
			if role == "sends garbage" && runtime.GOOS == "windows" {
				t.Skip("the handle of the pipe to the parent is known to package process alone")
			}
			var log syncBuffer
			reg, stop := runProcesses(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, o)
			s := eventually(t, reg, "it did not come back", func(s Status) bool { return s.Restarts == 1 && s.Ready })
			var words *ProcessError
			require.ErrorAs(t, s.LastError, &words)
			require.Equal(t, words, s.Processes[0].LastWords)
			if s.Processes[0].MemoryLimit == "cgroup" {
				c.exit, c.output = "signal: killed (out of memory: limit 268435456 bytes)", ""
			}
			require.Equal(t, c.exit, words.Exit)
			require.Contains(t, words.Output, c.output)
			require.Contains(t, words.Reason, c.reason)
			require.NotEmpty(t, words.Error())
			require.Equal(t, o.MemoryLimit > 0, strings.Contains(words.Error(), "(its memory limit is 256 MiB)"), words.Error())
			require.NotContains(t, strings.Join(log.lines(), "\n"), "sesame-open")
			if c.output != "" {
				require.Regexp(t, `msg="Process ended" .* output="?[^"]*`+regexp.QuoteMeta(c.output), strings.Join(log.lines(), "\n"))
			}
			require.Contains(t, strings.Join(log.lines(), "\n"), `msg="Process ended" agent=a process=0 error="process `+strconv.Itoa(words.PID))
			gone(t, words.PID)
			require.NoError(t, stop())
		})
	}
}

// What another process would not do better is final.
func TestProcessFailsForGood(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]string{
		"is corrupt":             `start: best_model.pt: no tensors`,
		"speaks another version": "speaks version 99 of the protocol between processes, this one version 1",
		"has another agent":      `this process is to run the agent "a", which its program does not register`,
		"has another queue":      `its program runs the agent "a" on the task queue "elsewhere", not "a" on "a-tasks"`,
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			reg, stop := runProcesses(t, Options{}, inRole(t, role))
			s := eventually(t, reg, "it did not fail", func(s Status) bool { return s.State == StateFailed })
			require.ErrorContains(t, s.LastError, want)
			require.Zero(t, s.Restarts)
			err := stop()
			require.ErrorContains(t, err, want)
			require.Equal(t, 1, strings.Count(err.Error(), `agent "a" failed: `), "whose error it is is said once: %v", err)
		})
	}
}

// A process whose agent cannot start yet stays, and says why.
func TestProcessThatIsNotReady(t *testing.T) {
	t.Parallel()
	reg, stop := runProcesses(t, Options{}, inRole(t, "fails"))
	s := eventually(t, reg, "no error", func(s Status) bool { return s.LastError != nil && s.Restarts > 0 })
	require.Equal(t, StateStarting, s.State)
	require.EqualError(t, s.LastError, "start: no GPU yet")
	require.Nil(t, s.Processes[0].LastWords)
	require.NoError(t, stop())
}

// A program that cannot be started is tried again, more and more slowly.
func TestProcessThatDoesNotStart(t *testing.T) {
	t.Parallel()
	o := inRole(t, "works")
	o.Executable = filepath.Join(t.TempDir(), "none")
	reg, stop := runProcesses(t, Options{}, o)
	s := eventually(t, reg, "no second try", func(s Status) bool { return s.Restarts > 1 })
	require.ErrorContains(t, s.LastError, "start "+o.Executable+": ")
	require.NoError(t, stop())
}

// Who does not answer is replaced.
func TestProcessDoesNotAnswer(t *testing.T) {
	t.Parallel()
	o := inRole(t, "works")
	o.AnswerTimeout = 5 * pingInterval // also that of the others, on a busy machine
	reg, stop := runProcesses(t, Options{}, o)
	pid := waitReady(t, reg).Processes[0].PID
	require.NoError(t, processtest.Freeze(pid))
	s := eventually(t, reg, "it was not replaced", func(s Status) bool { return s.Restarts == 1 && s.Ready })
	var words *ProcessError
	require.ErrorAs(t, s.LastError, &words)
	require.Equal(t, "it did not answer for 5s", words.Reason)
	gone(t, pid)
	require.NoError(t, stop())
}

func TestProcessOptions(t *testing.T) {
	t.Parallel()
	o := inRole(t, "reports")
	dir := t.TempDir()
	folder := strings.TrimPrefix(o.Env[1], folderVariable+"=")
	o.Dir, o.Device, o.Nice, o.MemoryLimit, o.Args = dir, "cuda:1", 3, 1<<40, []string{"some", "arguments"}
	o.Env = append(o.Env, "TEST_GREETING=hello")
	reg, stop := runProcesses(t, Options{}, o)
	s := waitReady(t, reg)
	require.Equal(t, "cuda:1", s.Processes[0].Device)
	require.Equal(t, processtest.CountsMemory, s.Processes[0].MemoryLimit != "")
	text, err := os.ReadFile(filepath.Join(folder, "report"))
	require.NoError(t, err)
	dir, err = filepath.EvalSymlinks(dir) // the system's folder for temporary files may be behind one
	require.NoError(t, err)
	where, err := json.Marshal(dir)
	require.NoError(t, err)
	require.JSONEq(t, `{"args": ["some", "arguments"], "dir": `+string(where)+`, "device": "cuda:1", "child": true, "niceness": 3,
		"memory": "989560464993", "greeting": "hello", "pipes": ""}`, string(text))
	require.NoError(t, stop())
	require.False(t, IsChild())
	require.Equal(t, "none", Device("none"))
}

func TestProcessOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]ProcessOptions{
		"ProcessOptions.Env holds an entry that is not KEY=value":         {Env: []string{"sesame"}},
		"ProcessOptions.MemoryLimit is -1, want bytes, or 0 for no limit": {MemoryLimit: -1},
		"ProcessOptions.MemoryLimit is 1 bytes, want at least 33554432":   {MemoryLimit: 1},
		"ProcessOptions.Nice is 20, want -20 to 19":                       {Nice: 20},
		"ProcessOptions.Nice is 5 beside Idle, want one of them":          {Nice: 5, Idle: true},
	} {
		reg, _ := newFake()
		err := reg.Register(newFakeAgent("a"), Process(o))
		require.EqualError(t, err, `register agent "a": `+want)
	}
}

// Processes of one agent live and die apart.
func TestSeveralProcesses(t *testing.T) {
	t.Parallel()
	one, two := inRole(t, "works"), inRole(t, "works")
	one.Device, two.Device = "cuda:0", "cuda:1"
	reg, stop := runProcesses(t, Options{BackOff: BackOff{Initial: 6 * time.Second, Max: 6 * time.Second}}, one, two)
	before := waitReady(t, reg)
	require.Len(t, before.Processes, 2)
	require.Empty(t, before.Identity)
	require.NotEqual(t, before.Processes[0].PID, before.Processes[1].PID)
	require.NoError(t, processtest.Kill(before.Processes[1].PID))

	down := eventually(t, reg, "it is not missed", func(s Status) bool {
		return s.Processes[1].PID == 0 && s.Processes[1].LastWords != nil && s.State == StateStarting && s.Doing != ""
	})
	require.Regexp(t, `^process 1 \(cuda:1\): waiting .* before it starts again$`, down.Doing)
	require.Equal(t, StateReady, down.Processes[0].State)
	require.Equal(t, before.Processes[0].PID, down.Processes[0].PID)

	after := waitReady(t, reg)
	require.Equal(t, before.Processes[0].PID, after.Processes[0].PID)
	require.Equal(t, 1, after.Restarts)
	require.NoError(t, stop())
	gone(t, after.Processes[0].PID)
	gone(t, after.Processes[1].PID)
}

// One process that has failed for good leaves the others at work, and the agent
// not ready.
func TestOneOfSeveralProcessesFails(t *testing.T) {
	t.Parallel()
	broken := inRole(t, "is corrupt")
	broken.Device = "cuda:7"
	reg, stop := runProcesses(t, Options{}, inRole(t, "works"), broken)
	s := eventually(t, reg, "no failure", func(s Status) bool {
		return s.Processes[0].State == StateReady && s.Processes[1].State == StateFailed
	})
	require.Equal(t, StateStarting, s.State)
	require.ErrorContains(t, stop(), `agent "a": process 1 (cuda:7): start: best_model.pt: no tensors`)
}

// Activities may go on until shortly before the deadline, are cancelled then,
// and named if that does not help.
func TestProcessStops(t *testing.T) {
	t.Parallel()
	busy := func(s Status) bool { return s.Ready && len(s.Running) == 1 }
	t.Run("heeds its cancellation", func(t *testing.T) {
		t.Parallel()
		reg, stop := runProcesses(t, Options{StopTimeout: 10 * time.Second}, inRole(t, "is busy"))
		s := eventually(t, reg, "no activity", busy)
		require.NoError(t, stop())
		require.False(t, processtest.Alive(s.Processes[0].PID))
	})
	t.Run("does not", func(t *testing.T) {
		t.Parallel()
		reg, stop := runProcesses(t, Options{StopTimeout: time.Second}, inRole(t, "is stuck"))
		s := eventually(t, reg, "no activity", busy)
		err := stop()
		require.ErrorContains(t, err, "did not stop within")
		require.ErrorContains(t, err, "still running: activity work of workflow w1 (attempt 1")
		require.False(t, processtest.Alive(s.Processes[0].PID))
	})
	t.Run("is cut", func(t *testing.T) {
		t.Parallel()
		reg, stop := runProcesses(t, Options{StopTimeout: time.Hour}, inRole(t, "is stuck"))
		s := eventually(t, reg, "no activity", busy)
		go func() {
			for agentStatus(t, reg).State != StateDraining {
				time.Sleep(time.Millisecond)
			}
			reg.Cut()
		}()
		var cut *StopError
		err := stop()
		require.ErrorAs(t, err, &cut)
		require.True(t, cut.Cut)
		require.ErrorContains(t, err, `agent "a" was cut while it stopped: still running: activity work of workflow w1`)
		require.False(t, processtest.Alive(s.Processes[0].PID))
	})
}

// A removed agent's process is gone; another one can take its name.
func TestRemoveOfAProcess(t *testing.T) {
	t.Parallel()
	reg, stop := runProcesses(t, Options{}, inRole(t, "works"))
	pid := waitReady(t, reg).Processes[0].PID
	require.NoError(t, reg.Remove(t.Context(), "a"))
	require.False(t, processtest.Alive(pid))
	require.NoError(t, reg.Register(newFakeAgent("a"), Process(inRole(t, "works"))))
	require.NotEqual(t, pid, waitReady(t, reg).Processes[0].PID)
	require.NoError(t, stop())
}

// A killed parent takes its children with it: by the kernel, and by the end of
// the pipe where the kernel does not.
func TestParentIsKilled(t *testing.T) {
	t.Parallel()
	for name, role := range map[string]string{"": "works", "without the kernel's help": "works without a death signal"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), roleVariable+"=parent", "TEST_CHILD_ROLE="+role, folderVariable+"="+t.TempDir())
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				_ = cmd.Process.Kill()
			}
			require.NoError(t, err)
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			require.NoError(t, err)
			require.True(t, processtest.Alive(pid))
			require.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait()
			gone(t, pid)
		})
	}
}

// The log of a process is the parent's: its level, its order.
func TestProcessLog(t *testing.T) {
	t.Parallel()
	require.Equal(t, `process 7 ended: signal: killed: last line`,
		(&ProcessError{PID: 7, Exit: "signal: killed", Output: "first\n\n last line \n"}).Error())
	e := &ProcessError{PID: 7, Exit: "exit status 2", Output: "starting\npanic: boom\n\ngoroutine 1:\n",
		At: time.Unix(2000, 5e8), Running: []RunningActivity{{Type: "x", Attempt: 2, Since: time.Unix(1999, 0)}, {Type: "y"}}}
	require.Equal(t, "process 7 ended: exit status 2: panic: boom (while running activity x (attempt 2, for 1.5s) and 1 more)", e.Error())
	for output, want := range map[string]string{
		"runtime/cgo: out of memory in thread_start\n\nSIGABRT: abort\nPC=0x1\n":            "SIGABRT: abort, after: runtime/cgo: out of memory in thread_start",
		"fatal error: runtime: out of memory\nSIGABRT: abort\n":                             "fatal error: runtime: out of memory",
		"terminate called after throwing an instance of 'std::bad_alloc'\nSIGABRT: abort\n": "terminate called after throwing an instance of 'std::bad_alloc'",
		"SIGABRT: abort\nPC=0x1\n":                            "SIGABRT: abort",
		"starting\nSIGSEGV: segmentation violation\nPC=0x1\n": "SIGSEGV: segmentation violation",
	} {
		require.Equal(t, "process 7 ended: exit status 2: "+want, (&ProcessError{PID: 7, Exit: "exit status 2", Output: output}).Error())
	}
	require.Equal(t, "process 7 ended: signal: killed (out of memory: limit 1073741824 bytes) (its memory limit is 1024 MiB)",
		(&ProcessError{PID: 7, Exit: "signal: killed (out of memory: limit 1073741824 bytes)", MemoryLimit: 1 << 30}).Error())
	require.Less(t, len((&ProcessError{Output: strings.Repeat("é", 1000)}).Error()), 400)
}
