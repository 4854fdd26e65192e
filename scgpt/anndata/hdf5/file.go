package hdf5

import (
	"errors"
	"io"
	"os"
)

// maxMetadata bounds one block of metadata (an object header, a heap, a tree
// node). Real ones are kilobytes.
const maxMetadata = 256 << 20

// A File is an open HDF5 file. Its methods and those of the objects in it are
// safe for concurrent use.
type File struct {
	name   string
	r      io.ReaderAt
	closer io.Closer
	size   uint64 // of the whole file, user block included

	superblock
	heaps  globalHeaps
	shared sharedMessages

	// skipChecksums lets the fuzz tests get past the checksums.
	skipChecksums bool
}

// Open opens the file at path for reading. A missing file matches
// fs.ErrNotExist; a file that is not HDF5 or shorter than it says gives a
// [FormatError].
func Open(path string) (*File, error) {
	// To open a FIFO would wait for somebody to write to it.
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &FormatError{File: path, Reason: "not a regular file"}
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if st, err = r.Stat(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	f, err := NewFile(path, r, st.Size())
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	f.closer = r
	return f, nil
}

// NewFile reads an HDF5 file of the given size from r. The name is used in
// errors. Close does not close r.
func NewFile(name string, r io.ReaderAt, size int64) (*File, error) {
	f := &File{name: name, r: r, size: uint64(max(size, 0))}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) open() error { return f.locate("", f.readSuperblock()) }

// Name returns the name given to Open.
func (f *File) Name() string { return f.name }

// Size returns the size of the file in bytes.
func (f *File) Size() int64 { return int64(f.size) }

// ReadAt reads the bytes of the file itself.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.r.ReadAt(p, off) }

// Close closes the file. Reads in progress fail.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// holds reports whether n bytes at addr lie inside the file.
func (f *File) holds(addr, n uint64) bool {
	return addr < f.size-f.base && n <= f.size-f.base-addr
}

// readInto fills b from the file address addr.
func (f *File) readInto(b []byte, addr uint64) error {
	if addr == undefined {
		return corrupt("%d bytes at an undefined address", len(b))
	}
	if !f.holds(addr, uint64(len(b))) {
		return corrupt("%d bytes at address %d lie beyond the end of the file (%d bytes)", len(b), addr, f.size)
	}
	if n, err := f.r.ReadAt(b, int64(addr+f.base)); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// read returns n bytes of metadata at addr.
func (f *File) read(addr, n uint64) ([]byte, error) {
	if addr == undefined {
		return nil, corrupt("%d bytes at an undefined address", n)
	}
	if !f.holds(addr, n) {
		return nil, corrupt("%d bytes at address %d lie beyond the end of the file (%d bytes)", n, addr, f.size)
	}
	if n > maxMetadata {
		return nil, corrupt("metadata of %d bytes at address %d; at most %d are read", n, addr, maxMetadata)
	}
	b := make([]byte, n)
	return b, f.readInto(b, addr)
}

// structure reads n bytes at addr that begin with a signature.
func (f *File) structure(addr, n uint64, signature string) (*decoder, error) {
	b, err := f.read(addr, n)
	if err != nil {
		return nil, err
	}
	d := f.decoder(b)
	d.signature(signature)
	return d, d.err
}

// checked reads a structure of n bytes that ends with its checksum, which the
// decoder no longer holds.
func (f *File) checked(addr, n uint64, signature string) (*decoder, error) {
	d, err := f.structure(addr, n, signature)
	if err != nil {
		return nil, err
	}
	if err := f.verify(d.buf, addr); err != nil {
		return nil, err
	}
	d.buf = d.buf[:len(d.buf)-4]
	return d, nil
}

// verify checks the checksum in the last four bytes of b.
func (f *File) verify(b []byte, addr uint64) error {
	if len(b) < 4 {
		return corrupt("structure of %d bytes at address %d has no room for its checksum", len(b), addr)
	}
	body := b[:len(b)-4]
	sum := (&decoder{buf: b[len(b)-4:]}).u32()
	if got := lookup3(body); got != sum && !f.skipChecksums {
		return corrupt("checksum of the structure at address %d is %#x, its content gives %#x", addr, sum, got)
	}
	return nil
}

// A walk guards a traversal of linked blocks: no block twice, and no more
// bytes than the file has.
type walk struct {
	file  *File
	seen  map[uint64]struct{}
	bytes uint64
}

func (f *File) walk() *walk { return &walk{file: f, seen: map[uint64]struct{}{}} }

func (w *walk) visit(addr, n uint64, what string) error {
	if _, ok := w.seen[addr]; ok {
		return corrupt("%s at address %d is reached twice", what, addr)
	}
	w.seen[addr] = struct{}{}
	if w.bytes += n; w.bytes > w.file.size {
		return corrupt("%s at address %d: the blocks overlap", what, addr)
	}
	return nil
}
