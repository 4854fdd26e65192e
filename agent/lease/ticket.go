package lease

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/seed-ab6af24b/troupe/agent/internal/filelock"
)

// A ticket is a process's place in the line that the processes form: a file,
// locked by its process, whose name holds a number. The lowest number comes
// first. Tickets only make things fair; that a token has one holder is up to
// the locks of the tokens.
type ticket struct {
	file *os.File
	name string
}

const ticketPrefix = "wait-"

// ticketName pads the number, so that names sort like numbers. The random part
// tells tickets of one number apart, for which a process's number would not do:
// containers may share a folder and not their numbers.
func ticketName(number uint64) string {
	return fmt.Sprintf("%s%020d-%016x", ticketPrefix, number, rand.Uint64())
}

// ticketNumber returns the number in a ticket's name; ok is false for names
// of other files.
func ticketNumber(name string) (number uint64, ok bool) {
	digits, ok := strings.CutPrefix(name, ticketPrefix)
	if !ok || len(name) != len(ticketPrefix)+20+1+16 {
		return 0, false
	}
	number, err := strconv.ParseUint(digits[:20], 10, 64)
	return number, err == nil
}

// newTicket takes a ticket behind all others. It returns nil where the new file
// was taken for that of a dead process; the next try will do.
func newTicket(dir string) (*ticket, error) {
	names, err := tickets(dir)
	if err != nil {
		return nil, err
	}
	number := uint64(0)
	if len(names) > 0 {
		number, _ = ticketNumber(names[len(names)-1])
	}
	name := ticketName(number + 1)
	path := filepath.Join(dir, name)
	file, err := filelock.Open(path, true)
	if err != nil {
		_ = os.Remove(path)
		if errors.Is(err, filelock.ErrLocked) || errors.Is(err, filelock.ErrGone) {
			return nil, nil
		}
		return nil, err
	}
	return &ticket{file: file, name: name}, nil
}

// drop gives the ticket back. A file that can't be removed is taken for the
// ticket of a dead process, and removed by who comes next.
func (t *ticket) drop() {
	_ = os.Remove(t.file.Name())
	filelock.Close(t.file)
	_ = os.Remove(t.file.Name())
}

// tickets returns the names of all tickets, those of dead processes among
// them, lowest number first.
func tickets(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if _, ok := ticketNumber(e.Name()); ok {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// someoneAhead reports whether another process has waited longer, and removes
// the tickets of dead ones on the way.
func (f *files) someoneAhead() (bool, error) {
	names, err := tickets(f.dir)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if f.ticket != nil && name >= f.ticket.name {
			break
		}
		path := filepath.Join(f.dir, name)
		if isYoung(path) {
			return true, nil
		}
		file, err := filelock.Open(path, false)
		switch {
		case errors.Is(err, filelock.ErrLocked):
			return true, nil
		case errors.Is(err, filelock.ErrGone), errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return false, err
		}
		_ = os.Remove(path)
		filelock.Close(file)
		_ = os.Remove(path)
	}
	return false, nil
}

// isYoung reports whether the file was made a moment ago, so that its process
// may be about to lock it.
func isYoung(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	age := time.Since(info.ModTime())
	return age >= 0 && age < youth
}

// youth is far longer than it takes from making a file to locking it, and holds
// up those that wait behind a process that died while it did.
const youth = time.Second
