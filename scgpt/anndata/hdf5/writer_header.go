package hdf5

import "fmt"

// maxMessage is the most bytes that a header message can have.
const maxMessage = 1<<16 - 1

// header writes a version 2 object header. Of flags, those about the creation
// order of attributes count.
func (w *Writer) header(flags int, messages []message) (Ref, error) {
	const sizeOf4Bytes = 2
	flags &= 0x0C
	body := &encoder{}
	for _, m := range messages {
		if m.kind > 0xff { // version 1 has two bytes for it
			return 0, w.fail("a header message of kind %d is unknown", m.kind)
		}
		if len(m.body) > maxMessage {
			return 0, w.fail("a header message of %d bytes; at most %d fit", len(m.body), maxMessage)
		}
		body.bytes(byte(m.kind))
		body.u16(len(m.body))
		body.bytes(byte(m.flags))
		if flags&0x04 != 0 {
			body.u16(m.order)
		}
		body.bytes(m.body...)
	}
	e := &encoder{}
	e.text("OHDR")
	e.bytes(2, byte(flags|sizeOf4Bytes))
	e.u32(uint32(len(body.buf)))
	e.bytes(body.buf...)
	e.checksum()
	return Ref(w.block(e.buf)), w.err
}

// An Entry is a link to write into a group.
type Entry struct {
	name   string
	addr   uint64
	stored []byte
	target string
	kind   LinkKind
}

// NewEntry names an object that was written before.
func NewEntry(name string, ref Ref) Entry { return Entry{name: name, addr: uint64(ref)} }

// Entry names the same object as l, a link of the file that is extended.
func (l Link) Entry() Entry {
	return Entry{name: l.Name, addr: l.addr, stored: l.stored, target: l.Target, kind: l.Kind}
}

// linkMessage encodes an entry; order below 0 means that the group does not
// track it.
func (e Entry) linkMessage(order int64) (message, error) {
	if e.stored != nil {
		return message{kind: msgLink, body: e.stored}, nil
	}
	if e.kind == OtherLink {
		return message{}, unsupported("a link out of the file")
	}
	b := &encoder{}
	flags := byte(0x10 | 1) // character set, two bytes for the length of the name
	if e.kind == SoftLink {
		flags |= 0x08
	}
	if order >= 0 {
		flags |= 0x04
	}
	b.bytes(1, flags)
	if e.kind == SoftLink {
		b.bytes(1)
	}
	if order >= 0 {
		b.u64(uint64(order))
	}
	b.bytes(1) // UTF-8
	if len(e.name) > maxMessage/2 || len(e.target) > maxMessage/4 {
		return message{}, fmt.Errorf("hdf5: a name of %d bytes is too long", len(e.name))
	}
	b.u16(len(e.name))
	b.text(e.name)
	if e.kind == SoftLink {
		b.u16(len(e.target))
		b.text(e.target)
	} else {
		b.u64(e.addr)
	}
	return message{kind: msgLink, body: b.buf}, nil
}

// Group writes a new group.
func (w *Writer) Group(entries []Entry, attrs []Attr) (Ref, error) {
	return w.Edit(nil, Edit{Entries: entries, Attrs: attrs})
}

// An Edit says how an object differs from the one it replaces.
type Edit struct {
	// Entries are added to a group; one of a name that is there replaces it.
	Entries []Entry
	// Remove names entries to leave out.
	Remove []string
	// Attrs are added; one of a name that is there replaces it.
	Attrs []Attr
	// RemoveAttrs names attributes to leave out.
	RemoveAttrs []string
}

// Edit writes a new header for an object of the extended file, with changes.
// The data of a dataset stay where they are. A nil object is a new group.
func (w *Writer) Edit(o *Object, e Edit) (Ref, error) {
	var h header
	if o != nil {
		if o.file != w.src {
			return 0, w.fail("%s is of another file", o.path)
		}
		h = *o.hdr
	}
	group := o == nil || o.Kind() == KindGroup
	var messages []message
	for _, m := range h.messages {
		switch m.kind {
		case msgAttribute, msgAttributeInfo, msgLink, msgSymbolTable, msgLinkInfo, msgRefCount:
		default:
			messages = append(messages, m)
		}
	}
	if group {
		links, err := w.groupMessages(o, &h, e)
		if err != nil {
			return 0, err
		}
		messages = append(messages, links...)
	}
	attrs, err := w.attrMessages(o, &h, e)
	if err != nil {
		return 0, err
	}
	return w.header(h.flags, append(messages, attrs...))
}

// groupMessages returns the link messages of an edited group. What replaces an
// entry takes its place in the order of creation, where the group tracks it.
func (w *Writer) groupMessages(o *Object, h *header, e Edit) ([]message, error) {
	var links []Link
	if o != nil {
		var err error
		if links, err = o.Links(); err != nil {
			return nil, err
		}
	}
	changed := map[string]bool{}
	for _, name := range e.Remove {
		changed[name] = true
	}
	for _, x := range e.Entries {
		if x.name == "" || x.name == "." {
			return nil, w.fail("%q is no name for an entry of a group", x.name)
		}
		changed[x.name] = true
	}
	tracked, next := w.linkOrder(h)
	var out []message
	add := func(x Entry, order int64) error {
		m, err := x.linkMessage(order)
		out = append(out, m)
		return err
	}
	orders := map[string]int64{}
	for _, l := range links {
		orders[l.Name] = l.order
		if changed[l.Name] {
			continue
		}
		if err := add(l.Entry(), l.order); err != nil {
			return nil, err
		}
	}
	for _, x := range e.Entries {
		order := int64(-1)
		if tracked {
			var ok bool
			if order, ok = orders[x.name]; !ok || order < 0 {
				order = next
				next++
			}
		}
		if err := add(x, order); err != nil {
			return nil, err
		}
	}
	info := &encoder{}
	if tracked {
		info.bytes(0, 1)
		info.u64(uint64(next))
	} else {
		info.bytes(0, 0)
	}
	info.u64(undefined)
	info.u64(undefined)
	out = append(out, message{kind: msgLinkInfo, body: info.buf})
	if !h.has(msgGroupInfo) {
		out = append(out, message{kind: msgGroupInfo, body: []byte{0, 0}})
	}
	return out, nil
}

// linkOrder reports whether a group tracks the order of its links, and the
// number of the next one.
func (w *Writer) linkOrder(h *header) (tracked bool, next int64) {
	for _, m := range h.messages {
		if m.kind == msgLinkInfo && len(m.body) >= 10 && m.body[1]&1 != 0 {
			d := w.src.decoder(m.body[2:])
			return true, int64(d.u64())
		}
	}
	return false, 0
}

// Name returns the name of the entry.
func (e Entry) Name() string { return e.name }
