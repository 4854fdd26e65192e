// Package filelock locks files among processes. A lock ends with the process
// that holds it, however that ends, so that nobody has to clear one away.
package filelock

import (
	"errors"
	"io/fs"
	"os"
)

var (
	// ErrLocked says that another open file has the lock, in this process or
	// another.
	ErrLocked = errors.New("locked")
	// ErrGone says that the file was removed while it was being locked.
	ErrGone = errors.New("removed")
)

// Open opens the file for reading and writing and locks it for itself alone,
// without waiting. It returns ErrLocked if somebody else has the lock, and
// ErrGone if the file was removed meanwhile. create makes a missing file.
func Open(path string, create bool) (*os.File, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE
	}
	file, err := os.OpenFile(path, flag, 0o666)
	if err != nil {
		return nil, err
	}
	if err := Try(file, true); err != nil {
		_ = file.Close()
		if errors.Is(err, ErrLocked) {
			return nil, err
		}
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	// A file that was removed meanwhile may have a successor, which somebody
	// else can lock.
	if !isAt(file, path) {
		Close(file)
		return nil, ErrGone
	}
	return file, nil
}

func isAt(file *os.File, path string) bool {
	mine, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(mine, there)
}

// Close unlocks and closes the file. Closing alone would do, were it not for a
// child process that is just being made and has the file open as well.
func Close(file *os.File) {
	Unlock(file)
	_ = file.Close()
}

// Remove removes the file of a lock that the caller holds, and gives the lock
// up. Where a file that is open cannot be removed, it is removed after that,
// unless somebody else has opened it meanwhile.
func Remove(file *os.File) {
	removed := os.Remove(file.Name()) == nil
	Close(file)
	if !removed {
		_ = os.Remove(file.Name())
	}
}
