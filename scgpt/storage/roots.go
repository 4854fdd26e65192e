package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Roots is a set of folders that inputs and outputs must lie in. It does not
// change after [NewRoots] and is safe for concurrent use.
type Roots struct {
	dirs []string
	// volumes are those of the folders, and of the paths by which they were named:
	// on Windows, a drive may stand for a folder or for another machine's.
	volumes []string
}

// Error is a path that a request may not use. Its class is InvalidDataError.
type Error struct {
	// Path is as in the request.
	Path    string
	Problem string
}

func (e *Error) Error() string { return e.Path + ": " + e.Problem }

// ErrorType is the class of the error.
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
		r.volumes = append(r.volumes, filepath.VolumeName(abs))
		if abs, err = resolve(abs); err != nil {
			return nil, fmt.Errorf("root folder %s: %w", d, err)
		}
		if info, err := os.Stat(abs); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("root folder %s is not a folder", d)
		}
		r.dirs, r.volumes = append(r.dirs, abs), append(r.volumes, filepath.VolumeName(abs))
	}
	return r, nil
}

// Dirs returns the folders, absolute and free of symbolic links.
func (r *Roots) Dirs() []string { return append([]string(nil), r.dirs...) }

// Input returns the absolute path of an existing file. Errors: *[Error] for a
// path outside of the roots, [fs.ErrNotExist] for a missing file.
func (r *Roots) Input(path string) (string, error) {
	resolved, info, err := r.existing(path)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return "", &Error{path, "is a folder: want a file"}
	}
	return resolved, nil
}

// InputOrFolder is Input for what may be a folder. Links in it are not resolved: give
// the files that are read there to Input.
func (r *Roots) InputOrFolder(path string) (string, error) {
	resolved, _, err := r.existing(path)
	return resolved, err
}

// existing resolves the path of an existing file or folder.
func (r *Roots) existing(path string) (string, fs.FileInfo, error) {
	abs, err := r.absolute(path)
	if err != nil {
		return "", nil, err
	}
	resolved, err := resolve(abs)
	if err != nil {
		// A path outside is refused as such, whether or not something
		// is there: the answer would tell.
		if outside := r.check(path, abs); outside != nil {
			return "", nil, outside
		}
		return "", nil, missing(path, err)
	}
	if err := r.check(path, resolved); err != nil {
		return "", nil, err
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return "", nil, missing(path, err)
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return "", nil, &Error{path, fmt.Sprintf("is a %s: want a regular file", kindOf(info.Mode()))}
	}
	return resolved, info, nil
}

// Output returns the absolute path of a file to write, which may exist; its
// folder need not. Nothing is made: see [MakeFolder]. Errors: *[Error] for a
// path outside of the roots or one that cannot be a file.
func (r *Roots) Output(path string) (string, error) {
	abs, err := r.absolute(path)
	if err != nil {
		return "", err
	}
	existing, rest, err := existingPart(filepath.Dir(abs))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if err := r.check(path, existing); err != nil {
		return "", err
	}
	if info, err := os.Stat(existing); err == nil && !info.IsDir() {
		return "", &Error{path, existing + " is a file, not a folder"}
	}
	target := filepath.Join(existing, rest, filepath.Base(abs))
	switch info, err := os.Stat(target); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", fmt.Errorf("%s: %w", path, err)
	case info.IsDir():
		return "", &Error{path, "is a folder: want the name of a file"}
	case !info.Mode().IsRegular():
		// Writing beside it and renaming would replace the device itself.
		return "", &Error{path, fmt.Sprintf("is a %s: want a regular file or a new name", kindOf(info.Mode()))}
	}
	return target, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeDevice != 0:
		return "device"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	default:
		return "special file"
	}
}

// existingPart splits a folder's path into the longest part that exists, links
// resolved, and the rest.
func existingPart(dir string) (existing, rest string, err error) {
	for {
		existing, err = resolve(dir)
		parent := filepath.Dir(dir)
		if err == nil || parent == dir {
			return existing, rest, err
		}
		rest = filepath.Join(filepath.Base(dir), rest)
		dir = parent
	}
}

// CheckWritable finds out early whether a file can be written at a path that
// Output returned, and leaves nothing behind. The error is an *[Error].
func CheckWritable(path string) error {
	existing, _, err := existingPart(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.CreateTemp(existing, ".troupe-*.tmp")
	if err != nil {
		return &Error{path, fmt.Sprintf("the folder %s cannot be written: %v", existing, errors.Unwrap(err))}
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// MakeFolder makes the folder of a path that Output returned.
func MakeFolder(path string) error {
	return os.MkdirAll(filepath.Dir(path), 0o755)
}

// Longer paths and names are refused before any system call, which would fail in its
// own way on each system: Linux takes 4,096 and 255 bytes, and names get endings.
const (
	maxPath = 4000
	maxName = 200
)

// scheme is a URL scheme of two letters or more; a single one is a drive.
var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+://`)

func (r *Roots) absolute(path string) (string, error) {
	switch {
	case path == "":
		return "", &Error{`""`, "the path is empty"}
	case strings.ContainsRune(path, 0):
		return "", &Error{fmt.Sprintf("%q", path), "the path holds a zero byte"}
	case len(path) > maxPath:
		return "", &Error{shortened(path), fmt.Sprintf("the path has %d bytes: want at most %d", len(path), maxPath)}
	case scheme.MatchString(path):
		return "", &Error{path, fmt.Sprintf("the scheme %s is not supported: want the path of a local file", scheme.FindString(path))}
	}
	for name := range strings.SplitSeq(filepath.ToSlash(path[len(filepath.VolumeName(path)):]), "/") {
		switch {
		case len(name) > maxName:
			return "", &Error{shortened(path), fmt.Sprintf("a name in the path has %d bytes: want at most %d", len(name), maxName)}
		case name != "" && name != ".." && !filepath.IsLocal(name):
			// Such as NUL and x:y on Windows, a device and a hidden part of a file.
			return "", &Error{shortened(path), fmt.Sprintf("%q is no name of a file on this system", name)}
		}
	}
	// Volumes are those of Windows: elsewhere they are empty.
	switch volume := filepath.VolumeName(path); {
	case volume == "" && !os.IsPathSeparator(path[0]):
		path = filepath.Join(r.dirs[0], path)
	case volume == "":
		path = filepath.VolumeName(r.dirs[0]) + path
	case !filepath.IsAbs(path):
		return "", &Error{path, "goes on from a drive's current folder: want the whole path, or one without a drive"}
	case !slices.ContainsFunc(r.volumes, func(v string) bool { return strings.EqualFold(v, volume) }):
		// Not even looked at: it may be another machine's, which would be told who asks.
		return "", r.outside(path)
	}
	return filepath.Clean(path), nil
}

// shortened is a path for a message.
func shortened(path string) string {
	const n = 60
	if len(path) <= n {
		return path
	}
	return strings.ToValidUTF8(path[:n], "") + "…"
}

func (r *Roots) check(path, abs string) error {
	for _, d := range r.dirs {
		if rel, err := filepath.Rel(d, abs); err == nil && filepath.IsLocal(rel) {
			return nil
		}
	}
	return r.outside(path)
}

func (r *Roots) outside(path string) error {
	return &Error{path, fmt.Sprintf("lies outside of the folders that this worker may use (%s)", strings.Join(r.dirs, ", "))}
}

func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return fmt.Errorf("%s: %w", path, err)
}
