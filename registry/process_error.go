package registry

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed-ab6af24b/troupe/registry/internal/process"
)

// ProcessError says how a process of an agent ended that was not asked to: its
// last words.
type ProcessError struct {
	Agent string `json:"agent"`
	// Instance is the number of the process among those of the agent.
	Instance int       `json:"instance"`
	PID      int       `json:"pid"`
	At       time.Time `json:"at"`
	// Reason is why the registry ended the process, empty if it ended by
	// itself.
	Reason string `json:"reason,omitempty"`
	// Exit is the exit status or the signal, as "exit status 2" and
	// "signal: killed".
	Exit string `json:"exit"`
	// MemoryLimit is that of the process, in bytes; 0 is none.
	MemoryLimit int64 `json:"memory_limit,omitempty"`
	// Output is the end of what the process wrote to standard output and
	// standard error, with the values of variables that look like secrets
	// replaced by the variables' names.
	Output string `json:"output,omitempty"`
	// Running are the activities that were under way, as far as is known, at
	// most 100. Temporal gives them to other workers.
	Running []RunningActivity `json:"running,omitempty"`
}

func (e *ProcessError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "process %d ", e.PID)
	if e.Reason != "" {
		fmt.Fprintf(&b, "was ended: %s", e.Reason)
	} else {
		fmt.Fprintf(&b, "ended: %s", e.Exit)
	}
	if line := tellingLine(e.Output); line != "" {
		fmt.Fprintf(&b, ": %s", line)
	}
	// The kernel's word stands in Exit, the program's own in Output.
	if text := e.Exit + "\n" + e.Output; e.MemoryLimit > 0 && (strings.Contains(text, "out of memory") || strings.Contains(text, "cannot allocate memory")) {
		fmt.Fprintf(&b, " (its memory limit is %d MiB)", e.MemoryLimit>>20)
	}
	if n := len(e.Running); n > 0 {
		fmt.Fprintf(&b, " (while running %s", e.Running[0].at(e.At))
		if n > 1 {
			fmt.Fprintf(&b, " and %d more", n-1)
		}
		b.WriteString(")")
	}
	return b.String()
}

// tellingLine returns the line of a program's last output that says most: the
// one in which the Go runtime gives up, else the last one. An abort comes after
// what says why, if anything does.
func tellingLine(output string) string {
	last := ""
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if process.IsAbort(line) && last != "" {
			return shortened(fmt.Sprintf("%s, after: %s", line, last))
		}
		if process.IsCause(line) {
			return shortened(line)
		}
		if line != "" {
			last = line
		}
	}
	return shortened(last)
}

const maxLine = 300

func shortened(line string) string {
	if len(line) <= maxLine {
		return line
	}
	return strings.ToValidUTF8(line[:maxLine], "") + "…"
}
