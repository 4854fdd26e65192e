package hdf5

import "bytes"

// A LinkKind says what a link names.
type LinkKind int

// The kinds of links.
const (
	HardLink  LinkKind = iota // an object, by address
	SoftLink                  // a path in the same file
	OtherLink                 // external or user-defined; not followed
)

// A Link is one entry of a group.
type Link struct {
	Name string
	Kind LinkKind
	// Target is the path that a soft link names.
	Target string

	addr   uint64
	order  int64  // of creation, -1 where the group does not track it
	stored []byte // link message, nil when from a symbol table
}

// parseLink reads a link message.
func (f *File) parseLink(b []byte) (Link, error) {
	d := f.decoder(b)
	if v := d.u8(); d.err == nil && v != 1 {
		return Link{}, unsupported("link version %d", v)
	}
	flags := d.u8()
	typ := 0
	if flags&0x08 != 0 {
		typ = d.u8()
	}
	order := int64(-1)
	if flags&0x04 != 0 {
		order = int64(d.u64())
	}
	if flags&0x10 != 0 {
		d.skip(1) // character set
	}
	n := d.uint(1 << (flags & 3))
	if n > uint64(len(b)) {
		d.fail("link name of %d bytes in a message of %d", n, len(b))
	}
	l := Link{Name: string(d.take(int(n))), order: order, stored: b, addr: undefined}
	switch typ {
	case 0:
		l.addr = d.addr()
	case 1:
		l.Kind = SoftLink
		l.Target = string(d.take(d.u16()))
	default:
		l.Kind = OtherLink
	}
	return l, d.err
}

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
