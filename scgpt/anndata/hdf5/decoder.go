package hdf5

import "encoding/binary"

// undefined is the address of something that was not allocated.
const undefined = ^uint64(0)

// A decoder reads little-endian fields from one structure of the file. It
// stops at the first error: from then on every read returns zero and err says
// what went wrong, so that callers check once per structure, and once per
// round of a loop whose length comes from the file.
type decoder struct {
	buf      []byte
	pos      int
	addrSize int
	lenSize  int
	err      error
}

func (f *File) decoder(b []byte) *decoder {
	return &decoder{buf: b, addrSize: f.addrSize, lenSize: f.lenSize}
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = corrupt(format, args...)
	}
}

func (d *decoder) remaining() int { return len(d.buf) - d.pos }

// take returns the next n bytes, not copied, or nil.
func (d *decoder) take(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n < 0 || n > d.remaining() {
		d.fail("structure of %d bytes ends before its fields do", len(d.buf))
		return nil
	}
	b := d.buf[d.pos : d.pos+n : d.pos+n]
	d.pos += n
	return b
}

func (d *decoder) skip(n int) { d.take(n) }

// align moves to the next multiple of 8 bytes after start. Writers may leave
// out the padding at the very end of a structure.
func (d *decoder) align(start int) {
	if pad := (start - d.pos) & 7; d.err == nil {
		d.pos = min(d.pos+pad, len(d.buf))
	}
}

func (d *decoder) u8() int {
	if b := d.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (d *decoder) u16() int {
	if b := d.take(2); b != nil {
		return int(binary.LittleEndian.Uint16(b))
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// uint reads an integer of n bytes, at most 8.
func (d *decoder) uint(n int) uint64 {
	if n > 8 {
		d.fail("integer of %d bytes", n)
	}
	var v uint64
	for i, c := range d.take(n) {
		v |= uint64(c) << (8 * i)
	}
	return v
}

// addr reads a file address; all bits set means undefined at any width.
func (d *decoder) addr() uint64 {
	v := d.uint(d.addrSize)
	if d.addrSize < 8 && v == 1<<(8*d.addrSize)-1 {
		return undefined
	}
	return v
}

// length reads a "size of lengths" field.
func (d *decoder) length() uint64 { return d.uint(d.lenSize) }

func (d *decoder) signature(want string) {
	if got := d.take(len(want)); got != nil && string(got) != want {
		d.fail("found %q where the signature %q belongs", got, want)
	}
}
