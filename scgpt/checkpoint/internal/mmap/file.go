package mmap

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sync"
	"unsafe"
)

// File is the content of a file as it was when it was opened.
//
// A mapping follows the file: another process that truncates the file in
// place while it is mapped makes the next access fault. Writers that rename a
// new file over the old one do no harm.
type File struct {
	data    []byte
	release func() error
	// discard gives memory back; nil where the content is in memory of ours.
	discard func([]byte)
	once    sync.Once
	err     error
}

// KindError says that something is not a regular file.
type KindError struct {
	Path string
	Type fs.FileMode
}

func (e *KindError) Error() string {
	return fmt.Sprintf("%s: not a regular file but %s", e.Path, e.Type)
}

// ErrorType is the class of the error.
func (*KindError) ErrorType() string { return "InvalidDataError" }

// Open maps the regular file at path. A missing file is an error for which
// errors.Is(err, fs.ErrNotExist) holds; a directory, device or pipe is a
// *[KindError].
func Open(path string) (*File, error) {
	// Opening a pipe would wait for its writer, so the kind is asked first.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &KindError{path, info.Mode().Type()}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &KindError{path, info.Mode().Type()}
	}
	if info.Size() > math.MaxInt {
		return nil, fmt.Errorf("%s: %d bytes do not fit the address space", path, info.Size())
	}
	size := int(info.Size())
	if size == 0 {
		return &File{release: func() error { return nil }}, nil
	}
	m, err := load(f, size)
	if err != nil {
		return nil, &fs.PathError{Op: "map", Path: path, Err: err}
	}
	return m, nil
}

// Bytes returns the whole content. It must not be written to, nor used after
// Close.
func (f *File) Bytes() []byte { return f.data }

// Discard gives the memory back that holds part of the content, for which it is
// no longer needed soon: it is read from the file again when it is. Bytes that
// are no part of the content are left alone.
func (f *File) Discard(part []byte) {
	if f.discard == nil || len(part) == 0 || len(f.data) == 0 {
		return
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(f.data)))
	from := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	if from < base || from+uintptr(len(part)) > base+uintptr(len(f.data)) {
		return
	}
	// Whole pages only: what is beside the part may be in use.
	page := uintptr(os.Getpagesize())
	first := (from - base + page - 1) / page * page
	last := (from - base + uintptr(len(part))) / page * page
	if first < last {
		f.discard(f.data[first:last])
	}
}

// Close releases the mapping. It may be called more than once.
func (f *File) Close() error {
	f.once.Do(func() {
		f.data = nil
		f.err = f.release()
	})
	return f.err
}

// read is the way of platforms without mappings.
func read(f *os.File, size int) (*File, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	return &File{data: data, release: func() error { return nil }}, nil
}
