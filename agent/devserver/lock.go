package devserver

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// InUseError says that another server, in this process or another, uses the database file.
type InUseError struct {
	// DBFile is the absolute path of the database.
	DBFile string
	// PID is the process that uses it, 0 if that is not known.
	PID int
	// HostPort is where that process serves it, "" if it did not say yet.
	HostPort string
}

func (e *InUseError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "database file %s is in use by ", e.DBFile)
	switch e.PID {
	case 0:
		b.WriteString("another process")
	case os.Getpid():
		b.WriteString("another server of this process")
	default:
		fmt.Fprintf(&b, "process %d", e.PID)
	}
	if e.HostPort != "" {
		fmt.Fprintf(&b, ", which serves it at %s", e.HostPort)
	}
	return b.String()
}

// errLocked is what tryLock returns if another open file holds the lock.
var errLocked = errors.New("locked")

// fileLock is the right to use a database file: the operating system's lock on a file beside it, which ends with the
// process, however that ends. The file stays, as removing it would leave two processes with locks on two files.
type fileLock struct {
	file *os.File
}

// heldLocks keeps locks reachable: a server runs on when nobody holds its *Server any more, and the garbage collector
// closes a file that nobody holds.
var heldLocks sync.Map

// lockFile takes the lock of the database, or returns an *InUseError.
func lockFile(db string) (*fileLock, error) {
	file, err := os.OpenFile(db+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock of the database file: %w", err)
	}
	if err := tryLock(file); err != nil {
		defer func() { _ = file.Close() }()
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("lock %s of the database file: %w", file.Name(), err)
		}
		inUse := &InUseError{DBFile: db}
		inUse.PID, inUse.HostPort = readHolder(file)
		return nil, inUse
	}
	l := &fileLock{file: file}
	heldLocks.Store(l, nil)
	if err := l.describe(""); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

// describe writes who holds the lock.
func (l *fileLock) describe(hostPort string) error {
	text := fmt.Sprintf("pid %d\n", os.Getpid())
	if hostPort != "" {
		text += fmt.Sprintf("address %s\n", hostPort)
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	if _, err := l.file.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return nil
}

// release gives the lock back. It unlocks first: a child process that is just being made has the file open as well, and
// closing it here alone would leave the lock until that child runs its own program.
func (l *fileLock) release() error {
	defer heldLocks.Delete(l)
	return errors.Join(l.file.Truncate(0), unlock(l.file), l.file.Close())
}

// readHolder reads what describe wrote, as far as it is there.
func readHolder(file *os.File) (pid int, hostPort string) {
	for s := bufio.NewScanner(file); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), " ")
		switch key {
		case "pid":
			pid, _ = strconv.Atoi(value)
		case "address":
			hostPort = value
		}
	}
	return pid, hostPort
}
