package hdf5

// Kinds of header messages ("Data Object Header Messages").
const (
	msgNil           = 0x00
	msgDataspace     = 0x01
	msgLinkInfo      = 0x02
	msgDatatype      = 0x03
	msgOldFill       = 0x04
	msgFill          = 0x05
	msgLink          = 0x06
	msgExternal      = 0x07
	msgLayout        = 0x08
	msgGroupInfo     = 0x0A
	msgFilters       = 0x0B
	msgAttribute     = 0x0C
	msgComment       = 0x0D
	msgSharedTable   = 0x0F
	msgContinuation  = 0x10
	msgSymbolTable   = 0x11
	msgModified      = 0x12
	msgBTreeK        = 0x13
	msgDriverInfo    = 0x14
	msgAttributeInfo = 0x15
	msgRefCount      = 0x16
	msgFreeSpace     = 0x17
)

const flagShared = 0x02

// maxMessages bounds the messages of one header; a group may have a link in
// each.
const maxMessages = 1 << 22

// A message is one header message as stored.
type message struct {
	kind  int
	flags int
	order int // creation order of an attribute, where the header tracks it
	body  []byte
}

// A header is the list of messages of one object, continuations joined.
type header struct {
	addr     uint64
	flags    int // of a version 2 header
	refs     uint32
	messages []message
}

// find returns the body of the first message of a kind, shared ones resolved,
// or nil.
func (f *File) find(h *header, kind int) ([]byte, error) {
	for _, m := range h.messages {
		if m.kind == kind {
			return f.resolve(m, 0)
		}
	}
	return nil, nil
}

func (h *header) has(kinds ...int) bool {
	for _, m := range h.messages {
		for _, k := range kinds {
			if m.kind == k {
				return true
			}
		}
	}
	return false
}

// chunk is a run of messages: the first one behind the prefix, the others
// where continuation messages point.
type headerChunk struct{ addr, size uint64 }

func (f *File) readHeader(addr uint64) (*header, error) {
	if addr == undefined || !f.holds(addr, 4) {
		return nil, corrupt("object header at address %d lies beyond the end of the file (%d bytes)", addr, f.size)
	}
	var sig [4]byte
	if err := f.readInto(sig[:], addr); err != nil {
		return nil, err
	}
	if string(sig[:]) == "OHDR" {
		return f.readHeader2(addr)
	}
	return f.readHeader1(addr)
}

// readHeader1 reads a version 1 header: 16 bytes of prefix, messages aligned
// to 8 bytes.
func (f *File) readHeader1(addr uint64) (*header, error) {
	b, err := f.read(addr, 16)
	if err != nil {
		return nil, err
	}
	d := f.decoder(b)
	if v := d.u8(); v != 1 {
		return nil, corrupt("no object header at address %d (version %d)", addr, v)
	}
	d.skip(1)
	left := d.u16()
	h := &header{addr: addr, refs: d.u32()}
	chunks := []headerChunk{{addr + 16, uint64(d.u32())}}
	w := f.walk()
	for len(chunks) > 0 && left > 0 {
		c := chunks[0]
		chunks = chunks[1:]
		if err := w.visit(c.addr, c.size, "object header block"); err != nil {
			return nil, err
		}
		b, err := f.read(c.addr, c.size)
		if err != nil {
			return nil, err
		}
		for d := f.decoder(b); d.remaining() >= 8 && left > 0; left-- {
			m := message{kind: d.u16()}
			size := d.u16()
			m.flags = d.u8()
			d.skip(3)
			m.body = d.take(size)
			if d.err != nil {
				return nil, d.err
			}
			if chunks, err = f.addMessage(h, m, chunks); err != nil {
				return nil, err
			}
		}
	}
	return h, nil
}

// readHeader2 reads a version 2 header, whose blocks carry checksums.
func (f *File) readHeader2(addr uint64) (*header, error) {
	b, err := f.read(addr, min(36, f.size-f.base-addr))
	if err != nil {
		return nil, err
	}
	d := f.decoder(b)
	d.skip(4)
	if v := d.u8(); v != 2 {
		return nil, unsupported("object header version %d", v)
	}
	h := &header{addr: addr, refs: 1, flags: d.u8()}
	if h.flags&0x20 != 0 {
		d.skip(16) // times
	}
	if h.flags&0x10 != 0 {
		d.skip(4) // when attributes become dense
	}
	size := d.uint(1 << (h.flags & 3))
	if d.err != nil {
		return nil, d.err
	}
	prefix := uint64(d.pos)
	if size > maxMetadata {
		return nil, corrupt("object header of %d bytes at address %d", size, addr)
	}
	first, err := f.checked(addr, prefix+size+4, "OHDR")
	if err != nil {
		return nil, err
	}
	first.pos = int(prefix)
	w := f.walk()
	if err := w.visit(addr, prefix+size+4, "object header"); err != nil {
		return nil, err
	}
	chunks, err := f.readMessages2(h, first, nil)
	if err != nil {
		return nil, err
	}
	for len(chunks) > 0 {
		c := chunks[0]
		chunks = chunks[1:]
		if err := w.visit(c.addr, c.size, "object header block"); err != nil {
			return nil, err
		}
		d, err := f.checked(c.addr, c.size, "OCHK")
		if err != nil {
			return nil, err
		}
		if chunks, err = f.readMessages2(h, d, chunks); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (f *File) readMessages2(h *header, d *decoder, chunks []headerChunk) ([]headerChunk, error) {
	prefix := 4
	if h.flags&0x04 != 0 {
		prefix = 6
	}
	var err error
	for d.remaining() >= prefix { // what is left over is a gap
		m := message{kind: d.u8()}
		size := d.u16()
		m.flags = d.u8()
		if h.flags&0x04 != 0 {
			m.order = d.u16()
		}
		m.body = d.take(size)
		if d.err != nil {
			return nil, d.err
		}
		if m.kind == msgRefCount && size >= 5 {
			r := f.decoder(m.body)
			r.skip(1)
			h.refs = r.u32()
		}
		if chunks, err = f.addMessage(h, m, chunks); err != nil {
			return nil, err
		}
	}
	return chunks, nil
}

func (f *File) addMessage(h *header, m message, chunks []headerChunk) ([]headerChunk, error) {
	switch m.kind {
	case msgNil:
	case msgContinuation:
		d := f.decoder(m.body)
		c := headerChunk{d.addr(), d.length()}
		if d.err != nil {
			return nil, d.err
		}
		return append(chunks, c), nil
	default:
		if len(h.messages) == maxMessages {
			return nil, corrupt("more than %d messages in one object header", maxMessages)
		}
		h.messages = append(h.messages, m)
	}
	return chunks, nil
}
