package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Roots is a set of folders that inputs and outputs must lie in. It does not
// change after [NewRoots] and is safe for concurrent use.
type Roots struct {
	dirs []string
}

// Error is a path that a request may not use. Its class is InvalidDataError.
type Error struct {
	// Path is as in the request.
	Path    string
	Problem string
}

func (e *Error) Error() string   { return fmt.Sprintf("%s: %s", e.Path, e.Problem) }
func (*Error) ErrorType() string { return "InvalidDataError" }

// NewRoots returns the set of dirs, all of which must exist. Relative paths of
// requests are resolved against the first.
func NewRoots(dirs ...string) (*Roots, error) {
	if len(dirs) == 0 {
		return nil, errors.New("no root folder: want at least one")
	}
	r := &Roots{}
	for _, d := range dirs {
		abs, err := filepath.Abs(d)
		if err != nil {
			return nil, fmt.Errorf("root folder %s: %w", d, err)
		}
		if abs, err = filepath.EvalSymlinks(abs); err != nil {
			return nil, fmt.Errorf("root folder %s: %w", d, err)
		}
		if info, err := os.Stat(abs); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("root folder %s is not a folder", d)
		}
		r.dirs = append(r.dirs, abs)
	}
	return r, nil
}

// Dirs returns the folders, absolute and free of symbolic links.
func (r *Roots) Dirs() []string { return append([]string(nil), r.dirs...) }

// Input returns the absolute path of an existing file. Errors: *[Error] for a
// path outside of the roots, [fs.ErrNotExist] for a missing file.
func (r *Roots) Input(path string) (string, error) {
	abs, err := r.absolute(path)
	if err != nil {
		return "", err
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if err != nil {
		// A path outside is refused as such, whether or not something
		// is there: the answer would tell.
		if outside := r.check(path, abs); outside != nil {
			return "", outside
		}
		return "", missing(path, err)
	}
	if err := r.check(path, resolved); err != nil {
		return "", err
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return "", missing(path, err)
	}
	if info.IsDir() {
		return "", &Error{path, "is a folder: want a file"}
	}
	if !info.Mode().IsRegular() {
		return "", &Error{path, fmt.Sprintf("is a %s: want a regular file", info.Mode().Type())}
	}
	return resolved, nil
}

// Output returns the absolute path of a file to write, which may exist. Its
// folder is created if it is missing. Errors: *[Error] for a path outside of
// the roots or one that cannot be a file.
func (r *Roots) Output(path string) (string, error) {
	abs, err := r.absolute(path)
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(abs)
	if err := r.checkExisting(path, dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", &Error{path, fmt.Sprintf("its folder cannot be made: %v", err)}
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	target := filepath.Join(dir, filepath.Base(abs))
	if err := r.check(path, target); err != nil {
		return "", err
	}
	switch info, err := os.Stat(target); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", fmt.Errorf("%s: %w", path, err)
	case info.IsDir():
		return "", &Error{path, "is a folder: want the name of a file"}
	}
	return target, nil
}

// checkExisting checks the longest part of dir that exists, links resolved, so
// that no folder is made outside of the roots.
func (r *Roots) checkExisting(path, dir string) error {
	for {
		resolved, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return r.check(path, resolved)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return fmt.Errorf("%s: %w", path, err)
		}
		dir = parent
	}
}

// scheme is a URL scheme of two letters or more; a single one is a drive.
var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+://`)

func (r *Roots) absolute(path string) (string, error) {
	switch {
	case path == "":
		return "", &Error{`""`, "the path is empty"}
	case strings.ContainsRune(path, 0):
		return "", &Error{fmt.Sprintf("%q", path), "the path holds a zero byte"}
	case scheme.MatchString(path):
		return "", &Error{path, fmt.Sprintf("the scheme %s is not supported: want the path of a local file", scheme.FindString(path))}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dirs[0], path)
	}
	return filepath.Clean(path), nil
}

func (r *Roots) check(path, abs string) error {
	for _, d := range r.dirs {
		if rel, err := filepath.Rel(d, abs); err == nil && filepath.IsLocal(rel) {
			return nil
		}
	}
	return &Error{path, fmt.Sprintf("lies outside of the folders that this worker may use (%s)", strings.Join(r.dirs, ", "))}
}

func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return fmt.Errorf("%s: %w", path, err)
}
