package storage

import (
	"io/fs"
	"strings"

	"golang.org/x/sys/windows"
)

// resolve returns the path of what exists at a path, free of links of every kind:
// filepath.EvalSymlinks leaves junctions alone.
func resolve(path string) (string, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	// No access is asked for, and folders can be opened with this flag alone.
	h, err := windows.CreateFile(name, 0, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
		nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = windows.CloseHandle(h) }()
	for buf := make([]uint16, windows.MAX_PATH); ; {
		n, err := windows.GetFinalPathNameByHandle(h, &buf[0], uint32(len(buf)), 0)
		if err != nil {
			return "", &fs.PathError{Op: "resolve", Path: path, Err: err}
		}
		if int(n) < len(buf) {
			return withoutPrefix(windows.UTF16ToString(buf[:n])), nil
		}
		buf = make([]uint16, n+1)
	}
}

// withoutPrefix is the usual form of a path that Windows gives as \\?\C:\x or
// \\?\UNC\server\share\x.
func withoutPrefix(path string) string {
	if share, ok := strings.CutPrefix(path, `\\?\UNC\`); ok {
		return `\\` + share
	}
	return strings.TrimPrefix(path, `\\?\`)
}
