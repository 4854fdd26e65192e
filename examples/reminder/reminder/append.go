package reminder

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// append is append_line. An activity may look at the clock, write files and
// whatever else. But it may run again after it has done its work, so it first
// looks whether that is so.
func (a *Agent) append(ctx context.Context, line Line) (Appended, error) {
	id := activity.GetInfo(ctx).WorkflowExecution.ID
	at, err := a.book.append(ctx, id, line)
	return Appended{At: at}, err
}

// book is a file with one line for each reminder that came: time, workflow id,
// number and text, with tabs between.
type book struct {
	path string
	mu   sync.Mutex // held from looking for a line to writing it
}

func (b *book) open() error {
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// append appends the line unless the workflow has one, and returns the time in
// the line. Attempts of one workflow in two processes cannot meet here: the
// server starts the second only when the time of the first is over, and ctx
// with it.
func (b *book) append(ctx context.Context, id string, line Line) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return time.Time{}, err
	}
	defer f.Close()
	at, ended, err := find(f, id, line.Text)
	if err != nil {
		return at, fmt.Errorf("%s: %w", b.path, err)
	}
	if !at.IsZero() {
		return at, nil
	}
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	at = time.Now().UTC()
	text := fmt.Sprintf("%s\t%s\t%s\t%s\n", at.Format(time.RFC3339Nano), id, line.Number, line.Text)
	if !ended {
		text = "\n" + text
	}
	// One write: lines of other processes do not mix with it.
	if _, err := f.WriteString(text); err != nil {
		return time.Time{}, err
	}
	// What is reported as done survives a power cut.
	return at, f.Sync()
}

// find returns the time of the workflow's line, zero if there is none, and
// whether the file ends with a line break. A line that was cut off, by a power
// cut say, lacks some of the text and does not count.
func find(r io.Reader, id, text string) (at time.Time, ended bool, err error) {
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return time.Time{}, false, err
		}
		fields := strings.SplitN(strings.TrimRight(line, "\r\n"), "\t", 4)
		if len(fields) == 4 && fields[1] == id && fields[3] == text {
			at, err := time.Parse(time.RFC3339Nano, fields[0])
			if err != nil {
				return time.Time{}, false, fmt.Errorf("line %d: %q is not a time such as 2006-01-02T15:04:05Z", n, fields[0])
			}
			return at, true, nil
		}
		if err != nil { // the end of the file
			return time.Time{}, line == "", nil //nolint:nilerr // io.EOF, as all other errors are returned above
		}
	}
}
