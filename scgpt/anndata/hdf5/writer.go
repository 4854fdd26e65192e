package hdf5

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// writeBuffer is how much a Writer collects before it writes.
const writeBuffer = 1 << 20

// A Ref is the address of an object in the file that a Writer writes.
type Ref uint64

// A Writer appends objects to an HDF5 file: children before the groups that
// name them, the root last, then [Writer.Finish]. It is not safe for
// concurrent use. Every library since HDF5 1.8 reads what it writes.
type Writer struct {
	w      io.WriterAt
	src    *File // the file that is extended, nil for a new one
	base   uint64
	end    uint64 // address of the next byte
	buf    []byte
	chunkK int
	err    error

	heap heapWriter
}

// Create begins a new file.
func Create(w io.WriterAt) *Writer {
	out := &Writer{w: w, chunkK: 32}
	out.append(make([]byte, newSuperblockSize))
	return out
}

// Extend begins a file that is a copy of src, byte by byte, with objects added
// behind. Objects of src that stay as they are keep their addresses; of those
// that change, [Writer.Edit] adds a new header, which may share all data with
// the old one.
func Extend(ctx context.Context, w io.WriterAt, src *File) (*Writer, error) {
	if src.addrSize != 8 || src.lenSize != 8 {
		return nil, src.locate("", unsupported("extending a file with addresses of %d bytes", src.addrSize))
	}
	out := &Writer{w: w, src: src, base: src.base, chunkK: src.chunkK}
	buf := make([]byte, writeBuffer)
	for at := int64(0); at < src.Size(); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := src.r.ReadAt(buf[:min(int64(len(buf)), src.Size()-at)], at)
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, src.locate("", err)
		}
		if _, err := w.WriteAt(buf[:n], at); err != nil {
			return nil, err
		}
		at += int64(n)
	}
	out.end = src.size - src.base
	out.align()
	return out, nil
}

// append writes b at the end of the file and returns its address. Errors stay:
// Finish returns them.
func (w *Writer) append(b []byte) uint64 {
	at := w.end
	if len(b) >= writeBuffer {
		w.flush()
		if w.err == nil {
			_, w.err = w.w.WriteAt(b, int64(w.base+at))
		}
		w.end += uint64(len(b))
		return at
	}
	w.end += uint64(len(b))
	w.buf = append(w.buf, b...)
	if len(w.buf) >= writeBuffer {
		w.flush()
	}
	return at
}

func (w *Writer) align() {
	if n := -w.end & 7; n > 0 {
		w.append(make([]byte, n))
	}
}

// block appends a structure, which begin at multiples of 8 bytes.
func (w *Writer) block(b []byte) uint64 {
	w.align()
	return w.append(b)
}

func (w *Writer) flush() {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.WriteAt(w.buf, int64(w.base+w.end)-int64(len(w.buf)))
	}
	w.buf = w.buf[:0]
}

func (w *Writer) fail(format string, args ...any) error {
	err := fmt.Errorf("hdf5: "+format, args...)
	if w.err == nil {
		w.err = err
	}
	return err
}

// Finish writes the superblock, which makes root the root group. The caller
// syncs and closes the file.
func (w *Writer) Finish(root Ref) error {
	w.sealShared()
	var super []byte
	var err error
	if w.src == nil {
		super = w.newSuperblock(root)
	} else if super, err = w.patchedSuperblock(root); err != nil {
		return err
	}
	w.flush()
	if w.err != nil {
		return w.err
	}
	_, err = w.w.WriteAt(super, int64(w.base))
	return err
}
