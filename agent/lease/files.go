package lease

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-ab6af24b/troupe/agent/internal/filelock"
)

// files holds the tokens that processes share: a folder with a file for each,
// which its holder has locked, and with the tickets of those who wait.
type files struct {
	dir    string
	tokens int
	// ticket is that of this process's first in line.
	ticket *ticket
}

func newFiles(dir string, tokens int) (*files, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	return &files{dir: dir, tokens: tokens}, nil
}

// folderName turns a lease's name into the name of its folder: what not every
// file system takes, and upper case, which some do not tell from lower case,
// is escaped.
func folderName(name string) string {
	var b strings.Builder
	b.WriteString("lease-")
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

func (f *files) path(token int) string { return filepath.Join(f.dir, fmt.Sprintf("%d.lock", token)) }

func (f *files) take(h Holder) (put func(), ok bool, err error) {
	ahead, err := f.someoneAhead()
	if err != nil {
		return nil, false, err
	}
	for i := 0; i < f.tokens && !ahead; i++ {
		file, err := filelock.Open(f.path(i), true)
		switch {
		case errors.Is(err, filelock.ErrLocked), errors.Is(err, filelock.ErrGone):
			continue
		case err != nil:
			return nil, false, err
		}
		describe(file, h)
		return func() { filelock.Close(file) }, true, nil
	}
	if f.ticket == nil {
		f.ticket, err = newTicket(f.dir)
	}
	return nil, false, err
}

func (f *files) leave() {
	if f.ticket != nil {
		f.ticket.drop()
		f.ticket = nil
	}
}

// pause bounds how long a token that another process has put back lies unused.
func (f *files) pause() time.Duration { return 50 * time.Millisecond }
func (f *files) capacity() int        { return f.tokens }

func (f *files) holders() (all []Holder, err error) {
	for i := range f.tokens {
		h, held, err := f.holder(i)
		if err != nil {
			return nil, err
		}
		if held {
			all = append(all, h)
		}
	}
	return all, nil
}

func (f *files) holder(token int) (h Holder, held bool, err error) {
	file, err := os.OpenFile(f.path(token), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return h, false, nil
	}
	if err != nil {
		return h, false, err
	}
	defer func() { _ = file.Close() }()
	h = readHolder(file)
	// Holders do not clear the file when they release the token, or are
	// killed: the lock tells.
	switch err := filelock.Try(file, false); {
	case errors.Is(err, filelock.ErrLocked):
		return h, true, nil
	case err != nil:
		return h, false, &fs.PathError{Op: "lock", Path: file.Name(), Err: err}
	}
	filelock.Unlock(file)
	return h, false, nil
}

// describe writes who holds the token. It is for messages alone: that it can't
// be written is no reason not to have the token.
func describe(file *os.File, h Holder) {
	text, err := json.Marshal(h)
	if err != nil {
		return
	}
	text = append(text, '\n')
	// In this order, a reader finds a whole value first at any time.
	if _, err := file.WriteAt(text, 0); err == nil {
		_ = file.Truncate(int64(len(text)))
	}
}

// maxHolderBytes bounds what is read of a file that anything may have written.
const maxHolderBytes = 16 << 10

func readHolder(file *os.File) (h Holder) {
	if err := json.NewDecoder(io.LimitReader(file, maxHolderBytes)).Decode(&h); err != nil {
		return Holder{}
	}
	return h
}
