package process

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// tailBytes is how much of a child's output is kept for its last words.
	tailBytes = 8 << 10
	// causeBytes is how much is kept from the line on in which the child gives
	// up, for the stacks that follow it may be long.
	causeBytes = 4 << 10
	// causeAge is for how long such a line is taken for the cause of the end.
	causeAge = 30 * time.Second
)

// causes begin the lines in which the Go runtime and the C library give up.
var causes = []string{"panic: ", "fatal error: ", "SIG", "unexpected fault address", "runtime: out of memory", "terminate called"}

// IsCause reports whether a line of output says why a program gives up.
func IsCause(line string) bool {
	return slices.ContainsFunc(causes, func(start string) bool { return strings.HasPrefix(line, start) })
}

// IsAbort reports whether a line is that of a program, or of a library in it, that
// ended itself by abort(3): why stands in the line before.
func IsAbort(line string) bool { return strings.HasPrefix(line, "SIGABRT") }

// Tail passes a child's output on and keeps what matters of it: its end, and the
// line that tells of a crash.
type Tail struct {
	to io.Writer

	mu     sync.Mutex
	kept   []byte
	cut    bool
	line   []byte // the beginning of the line that is not whole yet
	before []byte // the last whole line that is not empty
	// cause is kept from the line on in which the child gives up, and reason, of an
	// abort, is the line before that.
	cause, reason []byte
	causeAt       time.Time
}

// NewTail returns a Tail that writes to to, unless that is nil.
func NewTail(to io.Writer) *Tail { return &Tail{to: to} }

// Write never fails: a child must not stop because nobody listens.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
		t.cut = true
	}
	for rest := p; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			t.addToLine(rest)
			break
		}
		t.addToLine(rest[:end])
		t.endLine()
		rest = rest[end:]
	}
	t.mu.Unlock()
	if t.to != nil {
		_, _ = t.to.Write(p)
	}
	return len(p), nil
}

func (t *Tail) addToLine(p []byte) {
	t.line = append(t.line, p[:min(len(p), causeBytes-len(t.line))]...)
}

func (t *Tail) endLine() {
	// The first of several such lines in a row is the cause.
	fresh := time.Since(t.causeAt) < causeAge
	switch {
	case IsCause(string(t.line)) && !fresh:
		t.cause, t.reason, t.causeAt = slices.Clone(t.line), nil, time.Now()
		if IsAbort(string(t.line)) && len(t.before) > 0 {
			t.reason = append(bytes.TrimSpace(t.before), '\n') // it may have been cut
			t.before = nil
		}
	case t.cause != nil:
		t.cause = append(t.cause, t.line[:min(len(t.line), causeBytes-len(t.cause))]...)
	}
	if len(bytes.TrimSpace(t.line)) > 0 {
		t.before = append(t.before[:0], t.line...)
	}
	t.line = t.line[:0]
}

// String returns the last lines, valid UTF-8, and before them those from a
// crash's cause on, if they are not among the last.
func (t *Tail) String() string {
	t.mu.Lock()
	end, cut, cause, reason := string(t.kept), t.cut, string(t.cause), string(t.reason)
	if time.Since(t.causeAt) > causeAge {
		cause = ""
	}
	t.mu.Unlock()
	if cut {
		if _, after, ok := strings.Cut(end, "\n"); ok {
			end = after
		}
	}
	first, _, _ := strings.Cut(cause, "\n")
	if cause != "" && !strings.Contains(end, first) {
		end = reason + cause + "…\n" + end
	}
	return strings.TrimSpace(strings.ToValidUTF8(end, "�"))
}
