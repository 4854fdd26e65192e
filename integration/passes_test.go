package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
		l.take(line + "\n")
	}
}

func (l *passLog) take(line string) {
	if l.within == nil {
		l.within = map[int]bool{}
	}
	var cells, pid int
	if _, err := fmt.Sscanf(line, "pass %d %d\n", &cells, &pid); err == nil {
		l.passes++
		l.cells += cells
		l.last, l.within[pid] = pid, true
	} else if _, err := fmt.Sscanf(line, "read %d\n", &pid); err == nil {
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

func TestPassLog(t *testing.T) {
	t.Parallel()
	l := &passLog{path: filepath.Join(t.TempDir(), "passes")}
	require.Zero(t, l.read(t).passes, "there is no file yet")
	file, err := os.Create(l.path)
	require.NoError(t, err)
	defer file.Close()
	for _, step := range []struct {
		text          string
		passes, cells int
		within        map[int]bool
	}{
		{"pass 4 12\npa", 1, 4, map[int]bool{12: true}},
		{"ss 3 13\nread 12\n", 2, 7, map[int]bool{12: false, 13: true}},
		{"pass 4 1", 2, 7, map[int]bool{12: false, 13: true}},
		{"pass 2 14\n", 2, 7, map[int]bool{12: false, 13: true}}, // torn: 1 was killed
		{"pass 2 14\n", 3, 9, map[int]bool{12: false, 13: true, 14: true}},
	} {
		_, err := file.WriteString(step.text)
		require.NoError(t, err)
		l.read(t)
		require.Equal(t, step.passes, l.passes)
		require.Equal(t, step.cells, l.cells)
		require.Equal(t, step.within, l.within)
	}
}
