package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// passLog is what workers with a counted device have written to a file of passes.
// Reading it again reads what is new, so that who waits for a pass takes little of
// the processor from what is tested.
type passLog struct {
	path   string
	offset int64
	rest   string // of a line that is not whole yet

	passes, cells int
	// last is the process that began the last pass, within those that began one
	// and did not end it.
	last   int
	within map[int]bool
}

// read brings the log up to date. A file that is not there yet is an empty one.
func (l *passLog) read(t *testing.T) *passLog {
	t.Helper()
	file, err := os.Open(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return l
	}
	require.NoError(t, err)
	defer file.Close()
	added, err := io.ReadAll(io.NewSectionReader(file, l.offset, 1<<30))
	require.NoError(t, err)
	l.offset += int64(len(added))
	l.rest += string(added)
	for {
		line, rest, whole := strings.Cut(l.rest, "\n")
		if !whole {
			return l
		}
		l.rest = rest
		l.take(line)
	}
}

func (l *passLog) take(line string) {
	if l.within == nil {
		l.within = map[int]bool{}
	}
	var cells, pid int
	if _, err := fmt.Sscanf(line, "pass %d %d", &cells, &pid); err == nil {
		l.passes++
		l.cells += cells
		l.last, l.within[pid] = pid, true
	} else if _, err := fmt.Sscanf(line, "read %d", &pid); err == nil {
		l.within[pid] = false
	}
	// Or a process was killed while it wrote the line.
}

// passesIn counts the forward passes of a file, and their cells.
func passesIn(t *testing.T, path string) (passes, cells int) {
	t.Helper()
	l := (&passLog{path: path}).read(t)
	return l.passes, l.cells
}
