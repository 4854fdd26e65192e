package registry

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// The defaults of [ProcessOptions].
const (
	DefaultAnswerTimeout  = 15 * time.Second
	DefaultOverdueTimeout = time.Minute
	DefaultStartTimeout   = time.Minute
	DefaultExitTimeout    = 15 * time.Second
)

// ProcessOptions describe one process of an agent. The zero value runs this
// program again, with its own arguments, environment and working directory.
type ProcessOptions struct {
	// Executable is the path of the program to run; empty means this one.
	// Another program (one that is built with CUDA, say) is any that registers
	// an agent of the same name and task queue and calls Run or Main.
	Executable string
	// Args are the program's arguments. nil means those of this process where
	// Executable is empty, and none otherwise.
	Args []string
	// Env is added to the environment of this process, "KEY=value" each.
	Env []string
	// Dir is the working directory; empty means that of this process.
	Dir string
	// Output takes what the process writes to standard output and standard
	// error; nil means os.Stderr. It is written to from another goroutine. The
	// last 8 KiB are kept for [ProcessError].
	Output io.Writer

	// Device is for the agent to use; its program asks for it by [Device].
	Device string
	// MemoryLimit is how much memory the process may have, in bytes; 0 is no
	// limit. Go's heap is kept below nine tenths of it by GOMEMLIMIT, unless
	// Env sets that. What goes beyond the limit ends the process: a control
	// group of version 2 sees to that on Linux where one can be made within
	// the limits of this process's service (for systemd, Delegate=yes and a
	// DelegateSubgroup), and else RLIMIT_DATA; a job object on Windows. On
	// other systems GOMEMLIMIT is all there is, which what C allocates does
	// not heed. ProcessStatus.MemoryLimit tells which it is.
	MemoryLimit int64
	// Nice is the niceness that the process gives itself, -20 to 19; 0 leaves
	// that of this process. Windows has priority classes instead: idle from
	// 10 on, below normal from 1 on, above normal below 0.
	Nice int
	// Idle has the process run only while nobody else wants the processor, so that
	// others answer as if it were not there: the policy SCHED_IDLE on Linux, the
	// niceness 19 on other systems of the kind, the priority class idle on Windows.
	// On a machine that is busy with others it may not get to its heartbeats. It
	// takes the place of Nice.
	Idle bool

	// AnswerTimeout is how long the process may leave a ping unanswered before
	// it is ended and replaced; the default is DefaultAnswerTimeout, a
	// negative one is for ever.
	AnswerTimeout time.Duration
	// OverdueTimeout is how long an activity may go on after its context has
	// ended (timed out, cancelled) before the process is ended and replaced,
	// for such an activity keeps its slot; the default is
	// DefaultOverdueTimeout, a negative one is for ever.
	OverdueTimeout time.Duration
	// StartTimeout is how long the program may take until its registry runs (what
	// main does before Run counts) before the process is ended and replaced; the
	// default is DefaultStartTimeout, a negative one is for ever.
	StartTimeout time.Duration
	// ExitTimeout is how long the program may take to exit after its registry has
	// ended by an error (what main does after Run counts) before the process is
	// killed; the default is DefaultExitTimeout, a negative one is for ever. While
	// the agent is stopped, what is left of its stop timeout holds in its place: a
	// program that has not exited shortly before the end of that is killed, which
	// is logged, and no error if its agent has stopped well.
	ExitTimeout time.Duration
}

// Process runs the agent in a process of its own, or in several: one for each
// of the options, one with the zero options if there are none. All poll the
// agent's task queue. The agent that is registered here is never started; it
// says name, queue and what is served. See Isolation in the package comment.
//
// The program may have several registries. In the process, the one that has an agent
// of that name runs it; Run of the others waits until the process is to exit. Where
// several have one, it is the one with the task queue, the namespace and the address
// of the parent's; WithNamespace tells registries apart that do not make their
// clients themselves. Make the registries, and register with them, before or at
// about the time that the first of them runs: a registry of a process waits 3 s for
// one that is made later. A process that finds no such agent, or cannot tell which
// one is meant, fails for good.
func Process(each ...ProcessOptions) AgentOption {
	if len(each) == 0 {
		each = []ProcessOptions{{}}
	}
	return func(s *settings) { s.processes = slices.Clone(each) }
}

// IsChild reports whether this process was started by a registry to run one
// agent of it. In such a process a registry runs that agent only, and a program
// should leave out what its parent does already: listen on a port, start a
// server, print.
func IsChild() bool { return process.IsChild() }

// Device returns the [ProcessOptions].Device that this process was started with,
// or fallback if it is no child or has none.
func Device(fallback string) string {
	_, hello, _, _ := process.Parent()
	return cmp.Or(hello.Device, fallback)
}

func (o ProcessOptions) withDefaults() ProcessOptions {
	if o.Executable == "" && o.Args == nil {
		o.Args = os.Args[1:]
	}
	if o.Output == nil {
		o.Output = os.Stderr
	}
	if o.AnswerTimeout == 0 {
		o.AnswerTimeout = DefaultAnswerTimeout
	}
	if o.OverdueTimeout == 0 {
		o.OverdueTimeout = DefaultOverdueTimeout
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = DefaultStartTimeout
	}
	if o.ExitTimeout == 0 {
		o.ExitTimeout = DefaultExitTimeout
	}
	return o
}

func (o ProcessOptions) validate() error {
	for _, v := range o.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			// Not its value: what is wrong may be a secret.
			return errors.New("ProcessOptions.Env holds an entry that is not KEY=value")
		}
	}
	switch {
	case o.MemoryLimit < 0:
		return fmt.Errorf("ProcessOptions.MemoryLimit is %d, want bytes, or 0 for no limit", o.MemoryLimit)
	case o.MemoryLimit > 0 && o.MemoryLimit < minMemoryLimit:
		return fmt.Errorf("ProcessOptions.MemoryLimit is %d bytes, want at least %d", o.MemoryLimit, minMemoryLimit)
	case o.Nice < -20 || o.Nice > 19:
		return fmt.Errorf("ProcessOptions.Nice is %d, want -20 to 19", o.Nice)
	case o.Idle && o.Nice != 0:
		return fmt.Errorf("ProcessOptions.Nice is %d beside Idle, want one of them", o.Nice)
	}
	return nil
}

// minMemoryLimit is what a Go program with a client of Temporal needs to start.
const minMemoryLimit = 32 << 20

// heapShare is the share of the memory limit, in tenths, that Go's heap is kept
// below.
const heapShare = 9

// spec says what to start.
func (o ProcessOptions) spec() (process.Spec, error) {
	path := o.Executable
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return process.Spec{}, fmt.Errorf("the path of this program: %w", err)
		}
	}
	env := os.Environ()
	if o.MemoryLimit > 0 {
		env = append(env, fmt.Sprintf("GOMEMLIMIT=%d", o.MemoryLimit/10*heapShare))
	}
	return process.Spec{
		Path: path, Args: o.Args, Env: append(env, o.Env...), Dir: o.Dir,
		Output: o.Output, Memory: o.MemoryLimit, Nice: o.Nice, Idle: o.Idle,
	}, nil
}

// secretNames are parts of the names of variables whose values are nobody's
// business.
var secretNames = []string{"KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"}

// minSecret is the shortest value that is taken for a secret: shorter ones are
// "1", "true" and the like, and would riddle the text.
const minSecret = 6

// redacted replaces in text the values of the variables in env that look like
// secrets by the variables' names.
func redacted(text string, env []string) string {
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		upper := strings.ToUpper(name)
		if len(value) >= minSecret && slices.ContainsFunc(secretNames, func(part string) bool { return strings.Contains(upper, part) }) {
			text = strings.ReplaceAll(text, value, "["+name+"]")
		}
	}
	return text
}
