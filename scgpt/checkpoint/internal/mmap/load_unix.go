//go:build unix

package mmap

import (
	"os"

	"golang.org/x/sys/unix"
)

// load maps the file; a file system that cannot map (some network and FUSE
// mounts) is read instead.
func load(f *os.File, size int) (*File, error) {
	data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return read(f, size)
	}
	return &File{
		data:    data,
		release: func() error { return unix.Munmap(data) },
		// Advice that is not taken costs memory and nothing else.
		discard: func(part []byte) { _ = unix.Madvise(part, unix.MADV_DONTNEED) },
	}, nil
}
