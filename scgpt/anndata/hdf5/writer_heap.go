package hdf5

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

const (
	heapTarget  = 64 << 10 // bytes of texts in a collection of its own
	heapLeast   = 4096     // smallest collection that the library accepts
	heapObjects = 60000    // objects in a collection, numbered with 16 bits
	heapShare   = 1024     // texts of no more bytes go to a shared collection
)

// A heapWriter is a global heap collection being filled.
type heapWriter struct {
	addr  uint64 // of a shared one, whose place is kept in the file
	buf   []byte
	count int
}

// add appends a text and returns its number. Texts are not shared between
// references, since libraries free them one by one.
func (h *heapWriter) add(s string) int {
	e := &encoder{buf: h.buf}
	h.count++
	e.u16(h.count)
	e.zeros(6)
	e.u64(uint64(len(s)))
	e.text(s)
	e.align()
	h.buf = e.buf
	return h.count
}

func heapSize(s string) int { return 16 + (len(s)+7)&^7 }

// collection encodes the collection, at least as long as the library accepts.
func (h *heapWriter) collection() []byte {
	size := max(heapLeast, 16+len(h.buf))
	e := &encoder{}
	e.text("GCOL")
	e.bytes(1, 0, 0, 0)
	e.u64(uint64(size))
	e.bytes(h.buf...)
	// What is left is the free space object, if it has room for its head.
	if free := size - len(e.buf); free >= 16 {
		e.zeros(8)
		e.u64(uint64(free))
	}
	e.zeros(size - len(e.buf))
	return e.buf
}

// texts writes texts to the global heap and returns the references to them, 16
// bytes each. An empty text has no object.
func (w *Writer) texts(values []string) ([]byte, error) {
	total := 0
	for i, s := range values {
		if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
			return nil, w.fail("text %d, %q, is not UTF-8 without zero bytes", i, s)
		}
		if uint64(len(s)) > maxMetadata/2 {
			return nil, w.fail("text %d has %d bytes", i, len(s))
		}
		total += heapSize(s)
	}
	refs := make([]byte, 16*len(values))
	if total <= heapShare {
		for i, s := range values {
			if s != "" {
				addr, number := w.share(s)
				putTextRef(refs[16*i:], s, addr, number)
			}
		}
		return refs, w.err
	}
	h := &heapWriter{}
	var open []int // texts in the collection being filled
	seal := func() {
		addr := w.block(h.collection())
		for k, i := range open {
			putTextRef(refs[16*i:], values[i], addr, k+1)
		}
		h.buf, h.count, open = h.buf[:0], 0, open[:0]
	}
	for i, s := range values {
		if s == "" {
			continue
		}
		h.add(s)
		open = append(open, i)
		if len(h.buf) >= heapTarget || h.count == heapObjects {
			seal()
		}
	}
	if len(open) > 0 {
		seal()
	}
	return refs, w.err
}

func putTextRef(ref []byte, s string, addr uint64, number int) {
	binary.LittleEndian.PutUint32(ref, uint32(len(s)))
	binary.LittleEndian.PutUint64(ref[4:], addr)
	binary.LittleEndian.PutUint32(ref[12:], uint32(number))
}

// share puts a short text into a collection that many attributes share.
func (w *Writer) share(s string) (addr uint64, number int) {
	h := &w.heap
	if h.count > 0 && 16+len(h.buf)+heapSize(s) > heapLeast {
		w.sealShared()
	}
	if h.count == 0 {
		h.addr = w.block(make([]byte, heapLeast))
	}
	return h.addr, h.add(s)
}

// sealShared writes the shared collection to its place.
func (w *Writer) sealShared() {
	h := &w.heap
	if h.count == 0 {
		return
	}
	w.flush()
	if w.err == nil {
		_, w.err = w.w.WriteAt(h.collection(), int64(w.base+h.addr))
	}
	h.buf, h.count = h.buf[:0], 0
}
